//! Whether two traces agree, and where they first differ.
//!
//! Which of two clients is accepted first is a matter of timing. So of the sockets that play one part each is paired
//! with one of the other trace that has the same history; those left without are paired in the order in which they
//! appeared, and shown.

use std::collections::HashMap;

use super::Kept;
use super::difference::Difference;
use super::event::Event;
use super::history::{History, histories};

/// The first event in which two traces differ.
pub(super) fn first_difference(one: &Kept, other: &Kept) -> Option<Difference> {
    let names = [one.mechanism(), other.mechanism()];
    let mut pairs = one.events.iter().zip(&other.events);
    let common = pairs.position(|(one, other)| one != other);
    let index = common.unwrap_or(one.events.len().min(other.events.len()));
    let [first, second] = [one, other].map(|kept| kept.events.get(index));
    if first.is_none() && second.is_none() {
        let same = (one.beyond, one.rest) == (other.beyond, other.rest);
        let headline =
            format!("the traces differ behind event {index}, the last that was kept: keep more of them");
        return (!same).then(|| Difference::plain(headline));
    }
    let width = one.host_width().max(other.host_width());
    let line = |event: Option<&Event>| event.map_or("(nothing more)".to_owned(), |event| event.line(width));
    let (mut first_line, mut second_line) = (line(first), line(second));
    if let (Some(first), Some(second)) = (first, second)
        && first_line == second_line
    {
        // Less than a microsecond apart.
        first_line += &format!(" (at {:?})", first.at);
        second_line += &format!(" (at {:?})", second.at);
    }
    let before: Vec<_> =
        one.events[index.saturating_sub(BEFORE)..index].iter().map(|event| event.line(width)).collect();
    let headline = format!("event {} differs", index + 1);
    Some(Difference::at_the_fork(headline, names, &before, &first_line, &second_line))
}

/// Whether a program observed the same, whatever it ran on.
pub(super) fn agreement(one: &Kept, other: &Kept) -> Result<(), Difference> {
    let names = [one.mechanism(), other.mechanism()];
    let [ours, theirs] = [one, other].map(|kept| histories(&kept.events));
    let ours_by_role = by_role(&ours);
    let theirs_by_role = by_role(&theirs);
    let mut first = None;
    let mut more = 0;
    for role in roles(&ours, &theirs) {
        let empty = Vec::new();
        let [ours, theirs] =
            [&ours_by_role, &theirs_by_role].map(|by_role| by_role.get(role).unwrap_or(&empty));
        for (ours, theirs) in unmatched(ours, theirs) {
            if first.is_some() {
                more += 1;
                continue;
            }
            let headline = format!("what was observed of {} differs", numbered(role, ours, theirs));
            let [ours, theirs] = [ours, theirs].map(|which| which.map_or(&[][..], |member| member.lines));
            first = Some(Difference::between(headline, names, ours, theirs));
        }
    }
    match first {
        Some(difference) if more == 0 => Err(difference),
        Some(difference) => Err(difference.and(format!("and {more} more that differ"))),
        None if one.beyond + other.beyond > 0 => Err(Difference::plain(
            "the traces agree as far as they were kept, which is not to their end: keep more of them",
        )),
        None => Ok(()),
    }
}

/// One of those that play a part.
#[derive(Clone, Copy)]
struct Member<'a> {
    /// From 0.
    index: usize,
    /// How many there are.
    of: usize,
    lines: &'a [String],
}

type ByRole<'a> = HashMap<&'a str, Vec<Vec<String>>>;

fn by_role(histories: &[History]) -> ByRole<'_> {
    let mut by_role = ByRole::new();
    for history in histories {
        by_role.entry(&history.role).or_default().push(history.lines());
    }
    by_role
}

/// Every part that is played, once, in the order of appearance.
fn roles<'a>(ours: &'a [History], theirs: &'a [History]) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    let all = ours.iter().chain(theirs).map(|history| &*history.role);
    all.filter(|role| seen.insert(*role)).collect()
}

/// Those without a partner of the same history, paired in order.
fn unmatched<'a>(
    ours: &'a [Vec<String>],
    theirs: &'a [Vec<String>],
) -> Vec<(Option<Member<'a>>, Option<Member<'a>>)> {
    let mut partners: HashMap<&[String], usize> = HashMap::new();
    for lines in theirs {
        *partners.entry(lines).or_default() += 1;
    }
    let mut find = |lines: &'a [String]| match partners.get_mut(lines) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    let of = ours.len();
    let members = ours.iter().enumerate().map(|(index, lines)| Member { index, of, lines });
    let ours: Vec<_> = members.filter(|member| !find(member.lines)).collect();
    // What is left of the counts is without a partner; of equal ones the last are.
    let of = theirs.len();
    let members = theirs.iter().enumerate().map(|(index, lines)| Member { index, of, lines });
    let mut theirs: Vec<_> = members.rev().filter(|member| find(member.lines)).collect();
    theirs.reverse();
    let count = ours.len().max(theirs.len());
    (0..count).map(|index| (ours.get(index).copied(), theirs.get(index).copied())).collect()
}

/// A part, and which of those that play it, if there are several.
fn numbered(role: &str, ours: Option<Member<'_>>, theirs: Option<Member<'_>>) -> String {
    match ours.or(theirs) {
        Some(Member { index, of, .. }) if of > 1 => format!("{role} (number {} of {of})", index + 1),
        _ => role.to_owned(),
    }
}

/// How many of the events before are shown.
const BEFORE: usize = 8;
