//! Text in plots: how wide it is, roughly, what of it fits, and where labels go that would lie upon each other.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::canvas::FONT;

/// How wide a text will be at most: which font there is, nobody knows here.
pub(super) fn width(text: &str) -> f64 {
    text.width() as f64 * FONT * 0.58
}

/// As much of it as fits, with a sign if that is not all.
pub(super) fn fitting(text: &str, space: f64) -> String {
    if width(text) <= space {
        return text.to_owned();
    }
    let columns = (space / (FONT * 0.58)) as usize;
    let mut taken = 1;
    let begin: String = text
        .chars()
        .take_while(|character| {
            taken += character.width().unwrap_or(0);
            taken <= columns
        })
        .collect();
    format!("{}…", begin.trim_end())
}

/// Where labels go that would like to be at these places: as near as can be, each this `gap` from the next, between `low`
/// and `high`, and in the same order. If they do not fit between them, they go on beyond `high`.
pub(super) fn apart(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut places = vec![0.0; wanted.len()];
    let mut least = low;
    for &index in &order {
        places[index] = wanted[index].max(least);
        least = places[index] + gap;
    }
    // Those that were pushed beyond the end go back, and push others.
    let mut most = high.max(low + gap * wanted.len().saturating_sub(1) as f64);
    for &index in order.iter().rev() {
        places[index] = places[index].min(most);
        most = places[index] - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn labels_do_not_overlap_and_keep_their_order(wanted in prop::collection::vec(-50.0..450.0, 1..=20)) {
            let places = apart(&wanted, 16.0, (0.0, 400.0));
            for (one, other) in (0..wanted.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
                prop_assert!((places[one] - places[other]).abs() >= 15.999, "{:?}", places);
                if wanted[one] < wanted[other] {
                    prop_assert!(places[one] < places[other]);
                }
            }
            prop_assert!(places.iter().all(|place| (-0.001..=400.001).contains(place)), "{:?}", places);
        }
    }

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(apart(&[100.0, 20.0, 60.0], 16.0, (0.0, 400.0)), [100.0, 20.0, 60.0]);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut() {
        assert_eq!(fitting("short", 100.0), "short");
        let cut = fitting("a very long name of a server of somebody's own", 100.0);
        assert!(cut.ends_with('…') && width(&cut) <= 100.0, "{cut}");
        let wide = fitting(&"電話交換".repeat(9), 100.0);
        assert!(wide.ends_with('…') && width(&wide) <= 100.0, "{wide}");
    }
}
