//! `switchboard completions`: what shells make of it, each that is here.
#![allow(clippy::disallowed_methods, reason = "tests wait with a deadline")]

mod server;

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use server::{Ended, Server, run_to_end, switchboard};

#[test]
fn bash_completes_commands_options_and_values() {
    let script = completions("bash");
    if !is_sound("bash", "-n", &script) {
        return;
    }
    for (typed, expected) in [
        ("switchboard ser", "serve"),
        ("switchboard do", "doctor"),
        ("switchboard serve --list", "--listen"),
        ("switchboard serve --engine ep", "epoll"),
        ("switchboard serve --engine au", "auto"),
        ("switchboard serve --model tas", "tasks"),
        ("switchboard serve --service dis", "discard"),
        ("switchboard simulate --model ta", "tasks"),
        ("switchboard simulate --model blo", ""),
        ("switchboard man con", "connect"),
        ("switchboard completions z", "zsh"),
        ("switchboard doctor --j", "--json"),
        // No file would be right, but for a file.
        ("switchboard serve --grace /et", "/et"),
        ("switchboard simulate --trace /et", "/etc"),
    ] {
        assert_eq!(complete_in_bash(&script, typed), expected, "{typed}");
    }
    let all = complete_in_bash(&script, "switchboard ");
    for command in ["serve", "connect", "simulate", "doctor", "man", "completions"] {
        assert!(all.split(' ').any(|one| one == command), "{command}: {all}");
    }
}

#[test]
fn zsh_and_fish_are_given_commands_options_and_values_in_their_language() {
    for shell in ["zsh", "fish"] {
        let script = completions(shell);
        for word in
            ["serve", "connect", "simulate", "doctor", "man", "completions", "listen", "epoll", "discard"]
        {
            assert!(script.contains(word), "{shell} {word}: {script}");
        }
        is_sound(shell, "-n", &script);
    }
    assert!(completions("zsh").starts_with("#compdef switchboard\n"));
    assert!(completions("fish").contains("complete -c switchboard "));
}

#[test]
fn a_shell_that_is_not_spoken_to_is_wrong_use() {
    let ended = run_to_end(switchboard(&["completions", "tcsh"]));
    let said = "error: completions tcsh: no such shell; give one of bash, zsh, fish\n";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", said));
    let ended = run_to_end(switchboard(&["completions"]));
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{ended:?}");
}

#[test]
fn a_full_stdout_is_one_line_and_a_reader_that_has_gone_none() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return eprintln!("skipped: this system has no /dev/full");
    };
    let mut command = switchboard(&["completions", "bash"]);
    command.stdout(full);
    let said = "error: cannot write the completions on stdout: no space left on device\n";
    assert_eq!(told(command), (Some(1), said.to_owned()));
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = switchboard(&["completions", "bash"]);
    command.stdout(writer);
    assert_eq!(told(command), (Some(0), String::new()));
}

fn completions(shell: &str) -> String {
    let ended = run_to_end(switchboard(&["completions", shell]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{shell}");
    ended.stdout
}

/// Has a shell look at a script without running it. Says whether there is such a shell.
fn is_sound(shell: &str, option: &str, script: &str) -> bool {
    let mut file = std::env::temp_dir();
    file.push(format!("switchboard-completions-{}-{shell}", std::process::id()));
    std::fs::write(&file, script).unwrap();
    let output = Command::new(shell).arg(option).arg(&file).stdin(Stdio::null()).output();
    std::fs::remove_file(&file).unwrap();
    let Ok(output) = output else {
        eprintln!("skipped: this system has no {shell}");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{shell}: {said}");
    true
}

/// What bash, with these completions, makes of a line that was typed up to its end: as it would call for Tab.
fn complete_in_bash(script: &str, typed: &str) -> String {
    const CALL: &str = r#"
        # It speaks to a completion that is under way, as none is here.
        compopt() { :; }
        source /dev/stdin
        registered=$(complete -p switchboard)
        function=${registered#*-F }
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "${function%% *}" switchboard "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s' "${COMPREPLY[*]}"
    "#;
    let words: Vec<_> = typed.split(' ').collect();
    let (reader, mut writer) = io::pipe().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", CALL, "bash"]).args(words).stdin(reader).stderr(Stdio::piped());
    let script = script.to_owned();
    let feeding = std::thread::spawn(move || io::Write::write_all(&mut writer, script.as_bytes()));
    let ended = run_to_end(bash);
    feeding.join().unwrap().expect("bash reads the script");
    assert_eq!(ended.stderr, "", "{typed}");
    ended.stdout.trim_end().to_owned()
}

/// The exit code and stderr of a command with a stdout of its own.
fn told(command: Command) -> (Option<i32>, String) {
    let Ended { code, stderr, .. } = Server::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0))).end();
    (code, stderr)
}
