//! The histograms of a report as a log of intervals, which the tools of HdrHistogram read: one line for each kind of time, told
//! apart by tags. Values are nanoseconds, the maximum beside them is in seconds.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::Report;
use crate::service::TimeOfDay;

/// The log, as bytes.
pub(crate) fn log(report: &Report, _: &[String]) -> Vec<u8> {
    let window = report.tally.window;
    let end = TimeOfDay::Now.read();
    let start = end.checked_sub(window).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!("[switchboard load {}]", crate::error::one_line(&report.setup.to_string())))
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(NANOSECONDS)
        .begin_log_with(&mut bytes, &mut serializer)
        .expect(TAKES_ALL);
    let tally = &report.tally;
    for (tag, times) in [
        ("connect", &tally.connect),
        ("first_byte", &tally.first_byte),
        ("exchange", &tally.exchange),
        ("uncorrected", &tally.uncorrected),
    ] {
        log.write_histogram(times.histogram(), Duration::ZERO, window, Tag::new(tag)).expect(TAKES_ALL);
    }
    bytes
}

/// Of a second.
const NANOSECONDS: f64 = 1e9;

const TAKES_ALL: &str = "memory takes whatever is written";

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::super::json::tests::some;
    use super::*;

    #[test]
    fn its_own_reader_reads_it() {
        let it = some();
        let log = log(&it, &[]);
        let mut tags = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            let LogEntry::Interval(interval) = entry.unwrap() else { continue };
            let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            let tag = interval.tag().unwrap().as_str().to_owned();
            assert_eq!(histogram.len(), if tag == "exchange" { 1000 } else { 0 });
            assert_eq!(interval.duration(), Duration::from_secs(2));
            tags.push(tag);
        }
        assert_eq!(tags, ["connect", "first_byte", "exchange", "uncorrected"]);
    }
}
