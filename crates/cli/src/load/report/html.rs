//! A report as a page, for those to whom it is sent.

use super::Report;
use crate::load::page::Account;
use crate::page::{Cell, Unit};

/// The page, as bytes.
pub(crate) fn page(report: &Report, missed: &[String]) -> Vec<u8> {
    let setup = &report.setup;
    let mut notes = Vec::new();
    if let Some(signal) = report.interrupted {
        notes.push(format!("It was interrupted by {}: this is what was measured until then.", signal.name));
    }
    notes.extend(report.sought.as_ref().map(|sought| format!("Looked for: {sought}.")));
    notes.extend(missed.iter().map(|missed| format!("Missed: {missed}.")));
    let verified = match (setup.expect.as_str(), setup.verify) {
        ("none", _) => "nothing".to_owned(),
        (expect, true) => format!("{expect}, every byte compared"),
        (expect, false) => format!("{expect}, not compared"),
    };
    let per_connection =
        if setup.churn { "one, and then another connection" } else { "as many as there is time for" };
    let rows = [
        ("Transport", Cell::text(setup.transport.as_str())),
        ("Connections", Cell::count(setup.connections)),
        ("Messages of a connection", Cell::text(per_connection)),
        ("In flight on each", Cell::count(setup.in_flight)),
        ("Message", Cell::text(Unit::Size.short(setup.size as f64))),
        ("Answer", Cell::text(verified)),
        ("Pace", Cell::text(setup.pace.to_string())),
        ("Warm-up, not counted", Cell::text(Unit::Time.short(setup.warm_up.as_secs_f64()))),
        ("Given up after", Cell::text(Unit::Time.short(setup.timeout.as_secs_f64()))),
        ("Threads of the generator", Cell::count(setup.threads)),
        ("Engine of the generator", Cell::text(setup.engines.join(", "))),
        ("Loads added up", Cell::count(report.loads)),
    ];
    let account = Account {
        target: setup.targets.join(" and "),
        is_open: setup.pace.is_open(),
        setup: rows.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect(),
        tally: &report.tally,
        seconds: &report.seconds,
        sought: report.sought.as_ref(),
        doubts: &report.doubts,
        notes,
        origin: crate::page::origin(),
    };
    account.page().to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::some;
    use super::*;
    use crate::stop;

    #[test]
    fn a_page_says_what_was_done_and_what_came_of_it() {
        let mut it = some();
        it.interrupted = Some(stop::ALL[1]);
        it.doubts.push("of a doubt".to_owned());
        it.setup.targets = vec!["unix:/tmp/<b>".to_owned()];
        let page = String::from_utf8(page(&it, &["--fail-if max>1us: it was 1.00 ms".to_owned()])).unwrap();
        for said in [
            "Load on unix:/tmp/&lt;b&gt;",
            "interrupted by SIGTERM",
            "of a doubt",
            "Missed: --fail-if max&gt;1us: it was 1.00 ms.",
            "echo, every byte compared",
            "<data value=\"500\">",
        ] {
            assert!(page.contains(said), "{said}\n{page}");
        }
    }
}
