//! Numbers and names for people.

use crate::{figure::Unit, workloads};

/// A value in its unit.
pub(super) fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds if value < 1000.0 => format!("{value:.0} ns"),
        Unit::Nanoseconds if value < 1e6 => format!("{:.2} µs", value / 1e3),
        Unit::Nanoseconds => format!("{:.2} ms", value / 1e6),
        Unit::PerSecond => format!("{}/s", grouped(&format!("{value:.0}"))),
        Unit::Seconds if value < 1.0 => format!("{:.1} ms", value * 1000.0),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Megabytes => format!("{value:.1} MB"),
    }
}

/// A table's name: numbers in groups of three digits.
pub(super) fn table(name: &str) -> String {
    let words: Vec<String> = name.split(' ').map(grouped).collect();
    words.join(" ")
}

/// What a workload is called in full.
pub(super) fn workload(name: &str) -> String {
    let all = workloads::all();
    let found = all.iter().find(|workload| workload.name() == name);
    found.map_or(name, |workload| workload.title()).to_owned()
}

fn grouped(digits: &str) -> String {
    if digits.len() < 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.to_owned();
    }
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(table("100000 services"), "100 000 services");
        assert_eq!(table("2000 x 5"), "2 000 x 5");
        assert_eq!(value(19801.98, Unit::PerSecond), "19 802/s");
        assert_eq!(value(81946.9, Unit::Nanoseconds), "81.95 µs");
    }
}
