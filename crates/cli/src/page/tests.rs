//! What a page must hold, whatever is in it.

use super::*;

#[test]
fn no_name_becomes_markup_anywhere_on_a_page() {
    let name = "<script>alert(\"'&\")</script>";
    let page = sample(&[name, name]);
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
    let names = page.matches("&lt;script&gt;").count();
    // Twice in each of: bars, spreads, percentiles; in text or hints. And in the table.
    assert!(names >= 16, "{names}");
}

#[test]
fn every_element_that_begins_ends() {
    let page = sample(&["tasks", "a & b", "<i>"]);
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag)) {
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> ends something else");
        } else if !tag.ends_with('/') && !["!DOCTYPE", "meta", "link"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn every_drawing_has_a_name_and_a_description_of_its_own() {
    let page = sample(&["one", "two"]);
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "no id is there twice");
    for svg in page.split("<svg").skip(1) {
        let labels = svg.split("aria-labelledby=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert!(labels.split(' ').all(|id| ids.contains(&id)), "{labels}");
        assert!(svg.contains("<title id=") && svg.contains("<desc id="));
    }
    assert_eq!(page.matches("<svg").count(), 8, "four plots, for wide and narrow screens");
    assert_eq!(page.matches("<figcaption>").count(), 4);
}

#[test]
fn a_page_fetches_and_runs_nothing() {
    let page = sample(&["one"]);
    assert!(page.contains("default-src 'none'"));
    for word in ["src=", "url(", "@import", "javascript:", "<script", "onload"] {
        assert!(!page.contains(word), "{word}");
    }
    let links = page.replace("http://www.w3.org/2000/svg", "").matches("http").count();
    // The one that is left is `http-equiv`.
    assert_eq!(links, 1);
}

#[test]
fn every_class_that_is_drawn_has_a_colour() {
    let names: Vec<String> = (0..20).map(|index| format!("server {index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = sample(&names);
    for class in page.split("<g class=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let coloured = class
            .split(' ')
            .any(|class| STYLE.contains(&format!(".{class} {{")) || STYLE.contains(&format!(".{class},")));
        assert!(coloured, "{class}");
    }
}

#[test]
fn numbers_are_there_unrounded_and_columns_of_them_are_told_apart() {
    let table = Table {
        caption: "All".to_owned(),
        columns: ["server", "rate", "p99", "note"].map(str::to_owned).to_vec(),
        rows: vec![
            vec![Cell::text("a"), Cell::Number(Unit::Rate, 1234.567), Cell::Missing, Cell::text("x")],
            vec![
                Cell::text("b"),
                Cell::Between(Unit::Rate, 2.0, (1.0, 3.0)),
                Cell::Number(Unit::Time, 0.25),
                Cell::Missing,
            ],
        ],
        marked: Some(1),
    };
    let html = table.to_string();
    assert!(html.contains("<data value=\"1234.567\">1,235/s</data>"), "{html}");
    assert_eq!(html.matches("<th scope=\"col\" class=\"number\">").count(), 2, "{html}");
    assert_eq!(html.matches("<th scope=\"row\">").count(), 2);
    assert!(html.contains("<tr class=\"marked\"><th scope=\"row\">b"));
}

#[test]
fn a_column_of_which_nothing_was_measured_is_left_out() {
    let rows = vec![
        vec![Cell::text("a"), Cell::Missing, Cell::count(7)],
        vec![Cell::text("b"), Cell::Missing, Cell::Missing],
    ];
    let columns = ["server", "calls", "switches"].map(str::to_owned).to_vec();
    let html = Table { caption: String::new(), columns, rows, marked: None }.to_string();
    assert!(!html.contains("calls") && html.contains("switches"), "{html}");
    assert_eq!((html.matches("<td").count(), html.matches("<th ").count()), (2, 2 + 2), "{html}");
}

#[test]
fn nothing_measured_is_said_and_not_drawn() {
    let bars = Bars { axis: String::new(), unit: Unit::Time, parts: Vec::new(), bars: Vec::new() };
    let empty = [
        Plot::bars("t", "c", bars),
        Plot::spreads(
            "t",
            "c",
            Spreads { axis: String::new(), unit: Unit::Time, marks: Vec::new(), spreads: Vec::new() },
        ),
        Plot::percentiles("t", "c", Percentiles { unit: Unit::Time, series: Vec::new() }),
        Plot::course("t", "c", Course::default()),
    ];
    for plot in empty {
        let section = Section { heading: "h".to_owned(), parts: vec![Part::Plot(plot)] };
        let page = Page { sections: vec![section], ..Page::default() }.to_string();
        assert!(page.contains("Nothing was measured") && !page.contains("<svg"));
    }
}

#[test]
fn what_is_drawn_stays_within_the_drawing_whatever_the_values() {
    for values in [&[0.0][..], &[5.0], &[0.0, 0.0, 0.0], &[1e-9, 1e9], &[f64::NAN, 1.0], &[-1.0, 2.0]] {
        let page = page_of(&vec!["name of a server"; values.len()], values).to_string();
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{values:?}");
        for svg in page.split("<svg").skip(1) {
            let size = svg.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            let (width, height) = size.split_once(' ').unwrap();
            let (width, height): (i32, i32) = (width.parse().unwrap(), height.parse().unwrap());
            let of = |name: &str| -> Vec<i32> {
                let begin = format!(" {name}=\"");
                let rests = svg.split(&begin).skip(1);
                rests.filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
            };
            for (names, most) in [(["x", "x1", "x2", "cx"], width), (["y", "y1", "y2", "cy"], height)] {
                for place in names.iter().flat_map(|name| of(name)) {
                    assert!((0..=most).contains(&place), "{place} of {most}, {values:?}");
                }
            }
        }
    }
}

/// A page with one of everything about these.
fn sample(names: &[&str]) -> String {
    let values: Vec<f64> = (0..names.len()).map(|index| 0.001 * (1.0 + index as f64 * 0.3)).collect();
    page_of(names, &values).to_string()
}

fn page_of(names: &[&str], values: &[f64]) -> Page {
    let plots = [bars(names, values), spreads(names, values), percentiles(names, values), course(values)];
    let mut parts: Vec<Part> = plots.into_iter().map(Part::Plot).collect();
    let value = Cell::Number(Unit::Time, values[0]);
    parts.push(Part::Figures(vec![Figure {
        name: "p99".to_owned(),
        value: value.clone(),
        note: "of all".to_owned(),
    }]));
    parts.push(Part::Command(format!("compare --with {}=x", names[0])));
    parts.push(Part::Table(Table {
        caption: "All".to_owned(),
        columns: vec!["server".to_owned(), "p99".to_owned()],
        rows: names.iter().map(|name| vec![Cell::text(*name), value.clone()]).collect(),
        marked: None,
    }));
    Page {
        title: "A page".to_owned(),
        lead: format!("Take {}.", names[0]),
        doubts: vec!["it is a test".to_owned()],
        sections: vec![Section { heading: "Everything".to_owned(), parts }],
        origin: "by a test".to_owned(),
    }
}

fn bars(names: &[&str], values: &[f64]) -> Plot {
    let bar = |(name, value): (&&str, &f64)| Bar {
        name: (*name).to_owned(),
        parts: vec![*value, *value / 2.0],
        interval: Some((*value, *value * 2.0)),
        note: "1.00×".to_owned(),
        is_marked: *value == values[0],
    };
    let bars = names.iter().zip(values).map(bar).collect();
    let parts = ["user", "system"].map(str::to_owned).to_vec();
    Plot::bars(
        "Bars",
        "The longer, the more.",
        Bars { axis: "time".to_owned(), unit: Unit::Time, parts, bars },
    )
}

fn spreads(names: &[&str], values: &[f64]) -> Plot {
    let spread = |(name, value): (&&str, &f64)| Spread {
        name: (*name).to_owned(),
        values: vec![*value, *value * 10.0],
        is_marked: *value == values[0],
    };
    let spreads = names.iter().zip(values).map(spread).collect();
    let marks = ["p50", "p99"].map(str::to_owned).to_vec();
    Plot::spreads(
        "Spreads",
        "From, to.",
        Spreads { axis: "latency".to_owned(), unit: Unit::Time, marks, spreads },
    )
}

fn percentiles(names: &[&str], values: &[f64]) -> Plot {
    let points = |value: f64| percents(10_000).into_iter().map(|at| (at, value * (1.0 + at))).collect();
    let series = |(name, value): (&&str, &f64)| Series { name: (*name).to_owned(), points: points(*value) };
    let series = names.iter().zip(values).map(series).collect();
    Plot::percentiles("Percentiles", "The slowest.", Percentiles { unit: Unit::Time, series })
}

fn course(values: &[f64]) -> Plot {
    let line =
        |name: &str| Line { name: name.to_owned(), values: values.iter().copied().map(Some).collect() };
    let panel = |name: &str, shape| Panel {
        name: name.to_owned(),
        unit: Unit::Time,
        shape,
        lines: vec![line("p50"), line("p99")],
    };
    let panels = vec![
        panel("Rate", Shape::Lines),
        panel("Latency", Shape::LogLines),
        panel("Failures", Shape::Columns),
    ];
    let times = (1..=values.len()).map(|second| second as f64).collect();
    Plot::course("Course", "Second by second.", Course { times, begin: 0.5, panels })
}
