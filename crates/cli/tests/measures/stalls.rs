//! A server that stands still for a second is seen to: by whoever was to be served then, not only by the few who were being served.

use std::time::Duration;

use crate::measured::measure;
use crate::measured::peer::stalling;
use crate::{is_required, trusted};

/// Of 10 seconds, at any rate, the second of the stall holds 10 % of the exchanges, and each of them waits for the rest of it: times
/// spread evenly over 0 to 1 s. So 5 % of all take longer than 0.5 s, and 1 % longer than 0.9 s. Really sent are only the 10 for which
/// there is a connection: of 2000 not even 1 %.
#[test]
fn a_stall_shows_in_the_corrected_percentiles_and_not_in_the_others() {
    if !is_required() {
        return;
    }
    let (measured, ()) = trusted(|| {
        let server = stalling(Duration::from_secs(4), Duration::from_secs(1));
        (measure(&server.to_string(), "-c 10 -R 200 -d 10s"), ())
    });
    assert_eq!((measured.number("exchange/count"), measured.number("unsent")), (2000, 0));
    let of = |path: &str| measured.seconds(path);
    let histogram = measured.histogram("exchange");
    let longer_than = |milliseconds: u64| 2000 - histogram.count_between(0, milliseconds * 1_000_000) as i64;
    for (milliseconds, count) in [(100, 180), (250, 150), (500, 100), (750, 50), (900, 20)] {
        let is = longer_than(milliseconds);
        println!("longer than {milliseconds} ms: {is}, of {count} that should be");
        assert!((is - count).abs() <= TOLERANCE, "{is} took longer than {milliseconds} ms, not {count}");
    }
    let (corrected, uncorrected) = (of("exchange/p99"), of("uncorrected/p99"));
    println!("p99: corrected {corrected} s, uncorrected {uncorrected} s");
    assert!((0.86..0.94).contains(&corrected), "{corrected}");
    assert!(uncorrected < 0.1, "{uncorrected}");
    // Those who were on their way saw it either way.
    assert!(of("uncorrected/max") > 0.9 && of("exchange/p50") < 0.05, "{}", measured.report);
}

/// Exchanges: 40 ms of the rate.
const TOLERANCE: i64 = 8;
