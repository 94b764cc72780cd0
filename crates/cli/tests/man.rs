//! `switchboard man`: every command has a page, which man(1) and groff(1) have nothing to say against.
#![allow(clippy::disallowed_methods, reason = "tests wait with a deadline")]

mod server;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use server::{Ended, Server, run_to_end, switchboard};

/// A folder of this test's own, removed when it is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("switchboard-man-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn every_command_has_a_page_with_its_exit_status_and_examples() {
    for command in commands() {
        let page = page(&["man", &command]);
        let (name, version) = (command.to_uppercase(), env!("CARGO_PKG_VERSION"));
        // Without a date, whose place is kept.
        let title = format!(".TH SWITCHBOARD-{name} 1 \"\" \"switchboard {version}\" Switchboard\n");
        assert!(page.contains(&title), "{title}: {page}");
        for section in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "\"EXIT STATUS\"", "EXAMPLES", "\"SEE ALSO\""]
        {
            assert_eq!(page.matches(&format!("\n.SH {section}\n")).count(), 1, "{command} {section}: {page}");
        }
        assert!(page.contains("\n.TP\n\\fB2\\fR\nwrong use"), "{command}: {page}");
    }
}

#[test]
fn the_page_of_switchboard_names_all_commands_and_exit_codes() {
    let page = page(&["man"]);
    for command in commands() {
        assert_eq!(page.matches(&format!("\nswitchboard\\-{command}(1)\n")).count(), 1, "{command}: {page}");
        assert_eq!(
            page.matches(&format!("\n\\fBswitchboard\\-{command}\\fR(1)")).count(),
            1,
            "{command}: {page}"
        );
    }
    for code in ["0", "1", "2", "3", "4", "128+n"] {
        assert_eq!(page.matches(&format!("\n.TP\n\\fB{code}\\fR\n")).count(), 1, "{code}: {page}");
    }
    assert!(page.contains("\n.SH EXAMPLES\n.nf\nswitchboard serve "), "{page}");
}

#[test]
fn what_is_in_the_help_of_a_command_is_on_its_page() {
    let page = page(&["man", "serve"]);
    for option in
        ["\\fB\\-\\-listen\\fR <\\fIADDR\\fR>", "\\fB\\-\\-engine\\fR", "\\fB\\-v\\fR, \\fB\\-\\-verbose\\fR"]
    {
        let plain = |text: &str| text.replace(['<', '>'], "");
        assert!(plain(&page).contains(&plain(option)), "{option}: {page}");
    }
    // What is copied from a page has to work.
    let page = self::page(&["man", "connect"]);
    assert!(page.contains("printf \\*(AqGET / HTTP/1.0\\(rsn\\(rsn\\*(Aq | switchboard connect"), "{page}");
}

#[test]
fn all_pages_are_written_into_a_folder_that_is_made() {
    let scratch = Scratch::new("all");
    let folder = scratch.0.join("man/man1");
    for _ in 0..2 {
        let ended = run_to_end(switchboard(&["man", "--directory", folder.to_str().unwrap()]));
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    }
    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut expected: Vec<_> = commands().iter().map(|command| format!("switchboard-{command}.1")).collect();
    expected.push("switchboard.1".to_owned());
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(fs::read_to_string(folder.join("switchboard.1")).unwrap(), page(&["man"]));
    assert_eq!(fs::read_to_string(folder.join("switchboard-serve.1")).unwrap(), page(&["man", "serve"]));
}

#[test]
fn man_and_groff_find_nothing_wrong_with_any_page() {
    let scratch = Scratch::new("lint");
    let run = run_to_end(switchboard(&["man", "--directory", scratch.0.to_str().unwrap()]));
    assert_eq!(run.code, Some(0), "{run:?}");
    let wrong = scratch.0.join("wrong.1");
    fs::write(&wrong, ".TH WRONG 1\n.SH NAME\n.XX\nwrong \\- \\fXa page\n").unwrap();
    let linters: [(&str, &[&str]); 2] =
        [("man", &["--warnings", "-l"]), ("groff", &["-man", "-ww", "-z", "-Tutf8", "-Kutf8"])];
    for (linter, arguments) in linters {
        let Some(said) = lint(linter, arguments, &wrong) else {
            eprintln!("skipped: this system has no {linter}");
            continue;
        };
        assert!(said.contains("XX"), "{linter} finds what is wrong: {said}");
        for file in fs::read_dir(&scratch.0).unwrap().map(|file| file.unwrap().path()) {
            if file != wrong {
                assert_eq!(
                    lint(linter, arguments, &file).as_deref(),
                    Some(""),
                    "{linter} {}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn a_command_that_there_is_not_is_wrong_use() {
    let ended = run_to_end(switchboard(&["man", "tea"]));
    let said = format!("error: man tea: no such command; give one of {}\n", commands().join(", "));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr), (Some(2), "", said));
    let ended = run_to_end(switchboard(&["man", "serve", "--directory", "x"]));
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{ended:?}");
}

#[test]
fn pages_that_cannot_be_written_are_one_line() {
    let scratch = Scratch::new("refused");
    fs::write(&scratch.0, "no folder").unwrap();
    let folder = scratch.0.join("man1");
    let ended = run_to_end(switchboard(&["man", "--directory", folder.to_str().unwrap()]));
    fs::remove_file(&scratch.0).unwrap();
    let said = format!(
        "error: cannot write man pages to {}: not a directory; give another folder with --directory\n",
        folder.display()
    );
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr), (Some(1), "", said));
    // A file that is in the way.
    fs::create_dir_all(scratch.0.join("switchboard.1")).unwrap();
    let ended = run_to_end(switchboard(&["man", "--directory", scratch.0.to_str().unwrap()]));
    let said = format!(
        "error: cannot write man pages to {}: is a directory; give another folder with --directory\n",
        scratch.0.join("switchboard.1").display()
    );
    assert_eq!((ended.code, ended.stderr), (Some(1), said));
}

#[test]
fn a_full_stdout_is_one_line_and_a_reader_that_has_gone_none() {
    for arguments in [&["man"][..], &["man", "serve"]] {
        let Ok(full) = File::options().write(true).open("/dev/full") else {
            return eprintln!("skipped: this system has no /dev/full");
        };
        let mut command = switchboard(arguments);
        command.stdout(full);
        let said = "error: cannot write the man page on stdout: no space left on device\n";
        assert_eq!(told(command), (Some(1), said.to_owned()));
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = switchboard(arguments);
        command.stdout(writer);
        assert_eq!(told(command), (Some(0), String::new()));
    }
}

/// The commands that `--help` names, but for itself.
fn commands() -> Vec<String> {
    let help = run_to_end(switchboard(&["--help"])).stdout;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 6 && names.iter().any(|name| name == "doctor"), "{names:?}: {help}");
    names
}

fn page(arguments: &[&str]) -> String {
    let ended = run_to_end(switchboard(arguments));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    ended.stdout
}

/// What a linter says of a page, if there is such a linter.
fn lint(linter: &str, arguments: &[&str], page: &Path) -> Option<String> {
    let mut command = Command::new(linter);
    command.args(arguments).arg(page).stdin(Stdio::null()).stdout(Stdio::null());
    let output =
        command.env("LC_ALL", "C.UTF-8").env("MANPAGER", "cat").stderr(Stdio::piped()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The exit code and stderr of a command with a stdout of its own.
fn told(command: Command) -> (Option<i32>, String) {
    let Ended { code, stderr, .. } = Server::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0))).end();
    (code, stderr)
}
