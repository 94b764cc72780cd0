//! What the files of proc(5), proc_sys(5) and cgroups(7) say: plain functions from their text.
//!
//! Whatever is not as it is documented is `None`, as if it had not been told.

/// What may be had: a number, or `None` without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// What holds now.
    pub(super) soft: Option<u64>,
    /// What it may be raised to.
    pub(super) hard: Option<u64>,
}

/// A setting that is one number.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The numbers of a line, as in `file-nr` or `ip_local_port_range`.
pub(super) fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let numbers: Vec<_> = text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// A line of `/proc/self/limits`.
pub(super) fn limit(text: &str, name: &str) -> Option<Limit> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let mut words = line.split_whitespace();
    let mut next = || match words.next()? {
        "unlimited" => Some(None),
        word => word.parse().ok().map(Some),
    };
    Some(Limit { soft: next()?, hard: next()? })
}

/// A field of `/proc/self/status`.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// How many numbers are in a list such as `0-3,7`, and lie in a range of them.
pub(super) fn count_in_list(text: &str, within: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let mut count = 0;
    for item in text.trim().split(',').filter(|item| !item.is_empty()) {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (number(first)?.max(*within.start()), number(last)?.min(*within.end()));
        count += (last + 1).saturating_sub(first);
    }
    Some(count)
}

/// How many TCP connections are in TIME_WAIT, by `/proc/net/sockstat`.
pub(super) fn time_wait(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|&word| word == "tw")?;
    words.next().and_then(number)
}

/// Whether a set of capabilities, in hexadecimal, has this one (capabilities(7)).
pub(super) fn has_capability(text: &str, number: u32) -> Option<bool> {
    u64::from_str_radix(text.trim(), 16).ok().map(|set| set >> number & 1 == 1)
}

/// Whether all users of the system are in the namespace of this process, by `/proc/self/uid_map` (user_namespaces(7)).
pub(super) fn is_outermost(text: &str) -> Option<bool> {
    let [inside, outside, count] = numbers(text.lines().next()?)?;
    Some(inside == 0 && outside == 0 && count == u64::from(u32::MAX))
}

/// The version of a kernel's release, such as `6.1.0-13-amd64`.
pub(super) fn version(release: &str) -> Option<(u64, u64)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The folders in which a controller may have told its limits for this process, by `/proc/self/cgroup`: its group and all
/// that are around it. In a container the outer ones may be missing, and the outermost stands for the group itself.
pub(super) fn groups(text: &str, controller: &str) -> Vec<String> {
    let mut folders = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let base = match controllers {
            "" => "/sys/fs/cgroup".to_owned(),
            _ if controllers.split(',').any(|name| name == controller) => {
                format!("/sys/fs/cgroup/{controllers}")
            }
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        folders.push(format!("{base}{path}"));
        while let Some((outer, _)) = path.rsplit_once('/') {
            path = outer;
            folders.push(format!("{base}{path}"));
        }
    }
    folders
}

/// How many cores `cpu.max` lets a group use.
pub(super) fn quota(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    share(words.next()?.parse().ok()?, words.next()?.parse().ok()?)
}

/// The same of the quota and the period of version 1, in microseconds; the former is -1 without a limit.
pub(super) fn share(quota: f64, period: f64) -> Option<f64> {
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}
