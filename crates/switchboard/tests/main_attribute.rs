//! `#[switchboard::main]`: what a `main` may return, how a loop that cannot be had ends the program, and what is kept.

use std::process::{Command, ExitCode, Termination};

/// Declares a `main` in a module of its own.
macro_rules! program {
    ($name:ident, $output:ty, $body:block) => {
        mod $name {
            #[switchboard::main]
            pub(super) async fn main() -> $output {
                switchboard::yield_now().await;
                $body
            }
        }
    };
}

program!(nothing, (), {});
program!(fine, Result<(), String>, { Ok(()) });
program!(failed, Result<(), Box<dyn std::error::Error>>, {
    let _: u32 = "x".parse()?;
    Ok(())
});
program!(code, super::ExitCode, { super::ExitCode::from(7) });
program!(either, Result<super::ExitCode, String>, { Ok(super::ExitCode::from(8)) });
program!(opaque, impl super::Termination, { super::ExitCode::from(9) });
program!(own, super::Own, { super::Own(10) });
program!(endless, !, { panic!("this is the end") });

struct Own(u8);

impl Termination for Own {
    fn report(self) -> ExitCode {
        ExitCode::from(self.0)
    }
}

#[test]
fn a_main_may_return_whatever_a_plain_main_may() {
    assert_eq!(nothing::main().report(), ExitCode::SUCCESS);
    assert_eq!(fine::main().report(), ExitCode::SUCCESS);
    assert_eq!(failed::main().report(), ExitCode::FAILURE);
    assert_eq!(code::main().report(), ExitCode::from(7));
    assert_eq!(either::main().report(), ExitCode::from(8));
    assert_eq!(opaque::main().report(), ExitCode::from(9));
    assert_eq!(own::main().report(), ExitCode::from(10));
}

#[test]
fn a_panic_in_main_goes_on_to_the_caller() {
    let panic = std::panic::catch_unwind(|| endless::main().report()).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"this is the end"));
}

/// What the other process runs, where no engine can be had.
#[test]
fn without_an_engine() {
    if std::env::var("SWITCHBOARD_ENGINE").as_deref() != Ok("nonsense") {
        return;
    }
    assert_eq!(code::main().report(), ExitCode::FAILURE);
    let panic = std::panic::catch_unwind(answer).unwrap_err();
    let said: &String = panic.downcast_ref().expect("a panic with a message");
    assert!(
        said.starts_with("cannot run an event loop: SWITCHBOARD_ENGINE=nonsense: no such engine"),
        "{said}"
    );
}

#[test]
fn a_loop_that_cannot_be_had_is_one_line_on_stderr_and_a_failure() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "without_an_engine"])
        .env("SWITCHBOARD_ENGINE", "nonsense")
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("error: SWITCHBOARD_ENGINE=nonsense: no such engine; give auto, "),
        "{stderr}"
    );
}

#[switchboard::main]
async fn answer() -> u32 {
    switchboard::yield_now().await;
    42
}

#[test]
fn a_function_of_another_name_returns_what_it_returns() {
    assert_eq!(answer(), 42);
}

/// All names that the written code could have meant are something else here.
mod strange {
    #![allow(non_camel_case_types, dead_code, reason = "the names are the point")]
    #![deny(unused_variables, reason = "a function that lost its attributes does not compile")]

    mod std {}
    mod core {}
    mod switchboard {}
    struct Termination;
    struct Future;
    struct Result;

    #[::switchboard::main]
    #[must_use]
    #[expect(unused_variables, reason = "lints set outside hold inside")]
    pub(crate) async fn function() -> ::std::result::Result<u32, ()> {
        #![allow(unused_mut, reason = "lints set inside hold there")]
        let unused = 1;
        let mut answer = 42;
        Ok(answer)
    }

    #[::switchboard::main]
    pub(crate) async fn main() -> ::std::result::Result<(), ()> {
        // The function one sees written is the one that is meant.
        let again = ::std::boxed::Box::pin(async { if false { main().await } else { Ok(()) } });
        again.await
    }
}

#[test]
fn names_attributes_and_recursion_mean_what_they_meant() {
    assert_eq!(strange::function(), Ok(42));
    assert_eq!(strange::main().report(), ExitCode::SUCCESS);
}

#[test]
fn tasks_that_still_run_end_with_main() {
    use std::sync::atomic::{AtomicBool, Ordering};

    static DROPPED: AtomicBool = AtomicBool::new(false);

    struct Told;

    impl Drop for Told {
        fn drop(&mut self) {
            DROPPED.store(true, Ordering::Relaxed);
        }
    }

    #[switchboard::main]
    async fn leaves_a_task() {
        let told = Told;
        switchboard::spawn(async move {
            let _told = told;
            std::future::pending::<()>().await;
        })
        .detach();
    }

    leaves_a_task();
    assert!(DROPPED.load(Ordering::Relaxed));
}
