//! `switchboard man`: the man pages, made from the definition of the arguments.
//!
//! What stands after the options in `--help` becomes sections of their own, as man-pages(7) has them: `Examples:` and
//! `Exit codes:`, and NOTES from all the rest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::choice::shown;
use crate::error::{Error, reason};
use crate::{args, outlet};

/// Which pages, and where to.
#[derive(Debug)]
pub(crate) enum What {
    /// That of a command, or of switchboard itself, on stdout.
    One(Option<String>),
    /// All of them, into this folder.
    All(PathBuf),
}

/// Writes them.
pub(crate) fn run(what: What) -> Result<ExitCode, Error> {
    let pages = pages(args::definition());
    match what {
        What::One(command) => {
            let name = command.as_ref().map_or(NAME.to_owned(), |command| format!("{NAME}-{command}"));
            let page = pages.iter().find(|page| page.name == name);
            let page = page.ok_or_else(|| unknown(&command.unwrap_or_default(), &pages))?;
            outlet::print("the man page", page.text.as_bytes())?;
        }
        What::All(folder) => {
            fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
            for page in pages {
                let file = folder.join(format!("{}.1", page.name));
                fs::write(&file, page.text).map_err(|error| cannot_write(&file, &error))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A page of section 1.
struct Page {
    /// Such as `switchboard-serve`.
    name: String,
    /// In the format of man(7).
    text: String,
}

/// That of switchboard, and those of its commands.
fn pages(definition: Command) -> Vec<Page> {
    let mut definition = definition
        // It has no page: it shows the help of others.
        .disable_help_subcommand(true)
        .subcommand_value_name("command")
        .subcommand_help_heading("COMMANDS");
    definition.build();
    let commands: Vec<_> = definition.get_subcommands().cloned().collect();
    let names: Vec<_> = commands.iter().map(|command| format!("{NAME}-{}", command.get_name())).collect();
    let mut pages = vec![page(NAME.to_owned(), definition, &names)];
    for (name, command) in names.into_iter().zip(commands) {
        pages.push(page(name, command, &[NAME.to_owned()]));
    }
    pages
}

fn page(name: String, command: Command, see_also: &[String]) -> Page {
    let after = Sections::of(&command.get_after_help().map(ToString::to_string).unwrap_or_default());
    let has_commands = command.has_subcommands();
    let man = Man::new(command)
        .title(name.to_uppercase())
        // None, so that the same program always makes the same pages; as it has to be written for others to follow it.
        .date("\"\"")
        .source(concat!("switchboard ", env!("CARGO_PKG_VERSION")))
        .manual("Switchboard");
    let mut text = Vec::new();
    let written = man
        .render_title(&mut text)
        .and_then(|()| man.render_name_section(&mut text))
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text))
        .and_then(|()| if has_commands { man.render_subcommands_section(&mut text) } else { Ok(()) })
        .and_then(|()| after.to_roff(see_also).to_writer(&mut text));
    written.expect("memory takes whatever is written");
    let text = String::from_utf8(text).expect("it was made from text");
    Page { name, text: typed(&text) }
}

/// What stands after the options.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sections {
    exit_status: Vec<String>,
    notes: Vec<String>,
    examples: Vec<String>,
}

impl Sections {
    fn of(text: &str) -> Self {
        let mut sections = Self::default();
        for paragraph in text.split("\n\n") {
            let lines: Vec<_> = paragraph.lines().map(str::to_owned).collect();
            match lines.first().map(String::as_str) {
                Some(heading) if heading.starts_with("Exit codes") => {
                    // What they are said to be, such as `, the first that applies:`, goes before them.
                    let said = heading["Exit codes".len()..].trim_start_matches([',', ' ']);
                    sections.exit_status.extend((said != ":").then(|| capitalized(said)));
                    sections.exit_status.extend_from_slice(&lines[1..]);
                }
                Some("Examples:") => sections.examples.extend_from_slice(&lines[1..]),
                Some(_) if sections.notes.is_empty() => sections.notes = lines,
                Some(_) => {
                    sections.notes.push(String::new());
                    sections.notes.extend(lines);
                }
                None => {}
            }
        }
        sections
    }

    fn to_roff(&self, see_also: &[String]) -> Roff {
        let mut roff = Roff::new();
        if !self.exit_status.is_empty() {
            roff.control("SH", ["EXIT STATUS"]);
            for line in &self.exit_status {
                if !line.starts_with(' ') {
                    roff.text([roman(line)]);
                    continue;
                }
                let (code, meaning) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
                roff.control("TP", []).text([bold(code)]).text([roman(meaning.trim_start())]);
            }
        }
        if !self.notes.is_empty() {
            roff.control("SH", ["NOTES"]);
            add_lines(&mut roff, &self.notes);
        }
        if !self.examples.is_empty() {
            roff.control("SH", ["EXAMPLES"]);
            add_lines(&mut roff, &self.examples);
        }
        roff.control("SH", ["SEE ALSO"]);
        for (at, name) in see_also.iter().enumerate() {
            let comma = if at + 1 < see_also.len() { "," } else { "" };
            roff.text([bold(name), roman(format!("(1){comma}"))]);
        }
        roff
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Lines that are indented stay as they are; others flow.
fn add_lines(roff: &mut Roff, lines: &[String]) {
    let mut is_literal = false;
    for line in lines {
        let indented = line.starts_with(' ');
        if indented != is_literal {
            roff.control(if indented { "nf" } else { "fi" }, []);
            is_literal = indented;
        }
        if line.is_empty() {
            roff.control("PP", []);
        } else {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
    }
    if is_literal {
        roff.control("fi", []);
    }
}

/// Has some characters shown as they are typed, rather than as quotation marks and accents (groff_char(7)), so that what is
/// copied from a page works.
fn typed(roff: &str) -> String {
    roff.replace("\\\\", "\\(rs").replace('`', "\\(ga").replace('^', "\\(ha").replace('~', "\\(ti")
}

fn unknown(command: &str, pages: &[Page]) -> Error {
    let names: Vec<_> =
        pages.iter().filter_map(|page| page.name.strip_prefix(NAME)?.strip_prefix('-')).collect();
    Error::wrong_use(format_args!(
        "man {}: no such command; give one of {}",
        shown(command),
        names.join(", ")
    ))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::refused(format_args!(
        "cannot write man pages to {}: {}; give another folder with --directory",
        path.display(),
        reason(error)
    ))
}

const NAME: &str = "switchboard";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_after_the_options_becomes_sections() {
        let text = "Examples:\n  one\n\nA script:\n  step\nAlso: this.\n\nMore.\n\nExit codes:\n  0      well\n  128+n  by n";
        let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
        let sections = Sections::of(text);
        let expected = Sections {
            exit_status: lines(&["  0      well", "  128+n  by n"]),
            notes: lines(&["A script:", "  step", "Also: this.", "", "More."]),
            examples: lines(&["  one"]),
        };
        assert_eq!(sections, expected);
        let roff = sections.to_roff(&["a".to_owned(), "b".to_owned()]).to_roff();
        let expected = ".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\nwell\n.TP\n\\fB128+n\\fR\nby n\n\
                        .SH NOTES\nA script:\n.nf\nstep\n.fi\nAlso: this.\n.PP\nMore.\n\
                        .SH EXAMPLES\n.nf\none\n.fi\n.SH \"SEE ALSO\"\n\\fBa\\fR(1),\n\\fBb\\fR(1)\n";
        assert_eq!(roff, expected);
        assert_eq!(Sections::of(""), Sections::default());
        let roff = Sections::of("Exit codes, the first that applies:\n  2      wrong").to_roff(&[]).to_roff();
        let expected =
            ".SH \"EXIT STATUS\"\nThe first that applies:\n.TP\n\\fB2\\fR\nwrong\n.SH \"SEE ALSO\"\n";
        assert_eq!(roff, expected);
    }

    #[test]
    fn characters_are_shown_as_they_are_typed() {
        assert_eq!(typed("`~^\\\\r \\fB\\-v\\fR"), "\\(ga\\(ti\\(ha\\(rsr \\fB\\-v\\fR");
    }
}
