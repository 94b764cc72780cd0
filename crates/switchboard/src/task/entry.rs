//! The way in: `#[switchboard::main]`, and what the functions call that it writes.
//!
//! The attribute can only write code, so it writes as little as it can; what there is to decide is decided here.

use std::io::{self, Write};
use std::process::{ExitCode, Termination};

/// Runs an `async fn main` on an event loop of its own, to its end, by [`run`](crate::task::run).
///
/// ```
/// use std::time::Duration;
///
/// #[switchboard::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let answer = switchboard::spawn(async {
///         switchboard::sleep(Duration::from_millis(1)).await;
///         "42"
///     });
///     let answer: u32 = answer.await.parse()?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
///
/// It may return what any `main` may: nothing, a [`Result`], an [`ExitCode`], whatever is a [`Termination`]. When `main`
/// returns, tasks that still run are cancelled, and connections that close gently are waited for. The loop is on the
/// best engine of this system, or the one named by the environment's `SWITCHBOARD_ENGINE`. If the loop itself fails
/// (there is no such engine, say), the program prints `error: …` to stderr and ends with exit code 1.
///
/// # Functions of other names
///
/// Any `async fn` that takes nothing becomes a plain function that runs it and returns what it returns: handy below a
/// `main` that has something to do before there is a loop. It blocks its caller, so that it has no place in a task.
/// It panics if the loop itself fails, for it has no other way to say so; where that matters, call
/// [`run`](crate::task::run).
///
/// ```
/// #[switchboard::main]
/// async fn answer() -> u32 {
///     switchboard::yield_now().await;
///     42
/// }
///
/// assert_eq!(answer(), 42);
/// ```
///
/// The body becomes a function inside the function, which does not know what `Self` is.
///
/// # What is refused
///
/// A function that is not `async`:
///
/// ```compile_fail
/// #[switchboard::main]
/// fn main() {}
/// ```
///
/// Parameters, since nobody would pass them (the command line is in [`std::env::args`]):
///
/// ```compile_fail
/// #[switchboard::main]
/// async fn main(arguments: Vec<String>) {}
/// ```
///
/// Generics, since nobody would choose them:
///
/// ```compile_fail
/// #[switchboard::main]
/// async fn main<T>() {}
/// ```
///
/// Qualifiers, such as `const` and `extern`:
///
/// ```compile_fail
/// #[switchboard::main]
/// async extern "C" fn main() {}
/// ```
///
/// What is no function:
///
/// ```compile_fail
/// #[switchboard::main]
/// struct Main;
///
/// fn main() {}
/// ```
///
/// Arguments; there are none:
///
/// ```compile_fail
/// #[switchboard::main(engine = "poll")]
/// async fn main() {}
/// ```
///
/// A `main` that returns what no `main` may:
///
/// ```compile_fail,E0277
/// #[switchboard::main]
/// async fn main() -> u32 {
///     42
/// }
/// ```
pub use switchboard_macros::main;

/// How a program ends whose `main` is this future.
#[track_caller]
pub fn end_of<F: Future>(main: F) -> End<F::Output> {
    End(super::run(main))
}

/// What a function returns whose body is this future.
///
/// # Panics
///
/// When the loop fails; and with the future.
#[track_caller]
pub fn output_of<F: Future>(body: F) -> F::Output {
    super::run(body).unwrap_or_else(|error| panic!("cannot run an event loop: {error}"))
}

/// The end of a program: as its `main` says, or because the loop failed.
///
/// What `main` returns has no room for the second, and [`std::process::exit`] would skip the destructors of whoever
/// called `main`. A type that is both ends the program as any `main` does.
pub struct End<T>(io::Result<T>);

impl<T: Termination> Termination for End<T> {
    fn report(self) -> ExitCode {
        match self.0 {
            Ok(output) => output.report(),
            Err(error) => {
                // Not `eprintln!`, which panics where nobody can read it: there is still the exit code.
                writeln!(io::stderr(), "error: {error}").ok();
                ExitCode::FAILURE
            }
        }
    }
}
