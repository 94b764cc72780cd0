//! The one command that repeats a failure.
//!
//! Where a test is, only the compiler knows that compiles it, so the attribute has it asked there (`env!` and the like)
//! and this file makes of it what cargo(1) understands. A test without an attribute is repeated by its own program.

use std::path::Path;
use std::{env, fmt, thread};

use super::environment::{CHAOS, ENGINE, SEED};
use super::ground::Ground;

/// Where a test is: what cargo(1) told the compiler, and what the compiler knows. `None` is what was built without cargo.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `CARGO_PKG_NAME`.
    pub package: Option<&'static str>,
    /// `CARGO_BIN_NAME`: only binaries and examples have it.
    pub binary: Option<&'static str>,
    /// Whether there is a `CARGO_TARGET_TMPDIR`: only for integration tests.
    pub is_integration: bool,
    /// `file!()`.
    pub file: &'static str,
    /// `module_path!()`.
    pub module: &'static str,
    /// The name of the function.
    pub function: &'static str,
    /// Whether it has `#[ignore]`.
    pub is_ignored: bool,
}

impl Origin {
    /// The crate's name, and the test's as its harness calls it.
    fn names(&self) -> (&str, String) {
        match self.module.split_once("::") {
            Some((crate_name, module)) => (crate_name, format!("{module}::{}", self.function)),
            None => (self.module, self.function.to_owned()),
        }
    }

    /// What selects the target it is in.
    fn target(&self, program: Option<&Path>) -> String {
        let folder = program.and_then(Path::parent).and_then(Path::file_name);
        match self.binary {
            Some(name) if folder.is_some_and(|folder| folder == "examples") => format!("--example {name}"),
            Some(name) => format!("--bin {name}"),
            None if self.is_integration => format!("--test {}", self.integration()),
            None => "--lib".to_owned(),
        }
    }

    /// The name of the integration test: as its file or folder has it, since a crate's name has `_` for each `-`.
    fn integration(&self) -> String {
        let (crate_name, _) = self.names();
        let parts = Path::new(self.file).iter().filter_map(|part| part.to_str());
        let mut stems = parts.map(|part| part.strip_suffix(".rs").unwrap_or(part));
        match stems.rfind(|stem| stem.replace('-', "_") == crate_name) {
            Some(stem) => stem.to_owned(),
            None if crate_name.contains('_') => format!("'{}'", crate_name.replace('_', "?")),
            None => crate_name.to_owned(),
        }
    }
}

/// The command, printed.
pub(super) struct Command<'a> {
    pub(super) origin: Option<&'a Origin>,
    pub(super) ground: Ground,
    /// The faults of real engines that there were.
    pub(super) chaos: Option<String>,
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ground {
            Ground::Real(mechanism) => write!(f, "{ENGINE}={mechanism}")?,
            Ground::Sim(seed) => write!(f, "{ENGINE}=sim {SEED}={seed}")?,
        }
        if let Some(chaos) = self.chaos.as_ref().filter(|_| self.ground.is_real()) {
            write!(f, " {CHAOS}={}", quoted(chaos))?;
        }
        let program = env::current_exe().ok();
        match self.origin {
            Some(origin @ Origin { package: Some(package), .. }) => {
                let (_, name) = origin.names();
                write!(
                    f,
                    " cargo test -p {package} {} {name} -- --exact",
                    origin.target(program.as_deref())
                )?;
            }
            _ => {
                let program = program.as_deref().unwrap_or(Path::new("the-test")).display().to_string();
                write!(f, " {}", quoted(&program))?;
                let of_thread =
                    thread::current().name().filter(|name| *name != "main").map(ToOwned::to_owned);
                if let Some(name) = self.origin.map(|origin| origin.names().1).or(of_thread) {
                    write!(f, " {name} --exact")?;
                }
            }
        }
        if self.origin.is_some_and(|origin| origin.is_ignored) {
            f.write_str(" --ignored")?;
        }
        Ok(())
    }
}

/// A word for sh(1).
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./=,:+%@".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Mechanism;

    const UNIT: Origin = Origin {
        package: Some("my-server"),
        binary: None,
        is_integration: false,
        file: "src/works.rs",
        module: "my_server::works",
        function: "greets",
        is_ignored: false,
    };

    fn command(origin: &Origin) -> String {
        Command { origin: Some(origin), ground: Ground::Sim(17), chaos: None }.to_string()
    }

    #[test]
    fn each_kind_of_target_has_its_command() {
        let begin = "SWITCHBOARD_ENGINE=sim SWITCHBOARD_SEED=17 cargo test -p my-server";
        assert_eq!(command(&UNIT), format!("{begin} --lib works::greets -- --exact"));
        let binary = Origin { binary: Some("my-server"), module: "my_server", ..UNIT };
        assert_eq!(command(&binary), format!("{begin} --bin my-server greets -- --exact"));
        let example = binary.target(Some(Path::new("/target/debug/examples/my_server-0f")));
        assert_eq!(example, "--example my-server");
        let ignored = Origin { is_ignored: true, ..UNIT };
        assert_eq!(command(&ignored), format!("{begin} --lib works::greets -- --exact --ignored"));
    }

    #[test]
    fn an_integration_test_is_named_as_its_file_is() {
        let test = Origin { is_integration: true, module: "all_of_it::works", ..UNIT };
        for (file, name) in [
            ("tests/all_of_it.rs", "all_of_it"),
            ("crates/server/tests/all-of-it.rs", "all-of-it"),
            ("tests/all-of-it/works.rs", "all-of-it"),
            ("crates/all-of-it/tests/all_of_it.rs", "all_of_it"),
            ("elsewhere/works.rs", "'all?of?it'"),
        ] {
            assert_eq!(Origin { file, ..test.clone() }.target(None), format!("--test {name}"));
        }
    }

    #[test]
    fn faults_of_a_real_engine_are_repeated_as_one_word() {
        let said = |ground, chaos: &str| {
            let command = Command { origin: Some(&UNIT), ground, chaos: Some(chaos.to_owned()) };
            command.to_string().split(" cargo").next().unwrap().to_owned()
        };
        let real = Ground::Real(Mechanism::Epoll);
        let plain = "SWITCHBOARD_ENGINE=epoll SWITCHBOARD_CHAOS=seed=7,short=0.2";
        assert_eq!(said(real, "seed=7,short=0.2"), plain);
        assert_eq!(said(real, "it's; ok"), r"SWITCHBOARD_ENGINE=epoll SWITCHBOARD_CHAOS='it'\''s; ok'");
        assert_eq!(said(Ground::Sim(1), "short=0.2"), "SWITCHBOARD_ENGINE=sim SWITCHBOARD_SEED=1");
    }

    #[test]
    fn a_test_without_an_attribute_is_repeated_by_its_program() {
        let command = Command { origin: None, ground: Ground::Sim(3), chaos: None }.to_string();
        let program = env::current_exe().unwrap();
        assert!(command.starts_with("SWITCHBOARD_ENGINE=sim SWITCHBOARD_SEED=3 "), "{command}");
        assert!(command.contains(program.to_str().unwrap()), "{command}");
    }
}
