// SPDX-License-Identifier: GPL-2.0-only

//! The policy code compared with a real kernel: `data/controller.txt` has about 400 requests to the
//! controller and the kernel's answers, with errno, offset and text. GETFAMILY validates liberally,
//! GETPOLICY strictly. `data/controller.py` created it.

#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use netlink_packet_generic::constants::{CTRL_CMD_GETFAMILY, CTRL_CMD_GETPOLICY, GENL_ID_CTRL};
use netlink_packet_ipvs::policy::{CtrlFamilyAttrs, CtrlPolicyAttrs, PolicyError};

const ENOENT: i32 = 2;
const EINVAL: i32 = 22;
/// Offsets count from the netlink header; the attributes follow it and the generic one.
const HEADERS: usize = 20;

struct Answer<'a> {
    command: u8,
    attributes: Vec<u8>,
    errno: i32,
    offset: Option<usize>,
    text: Option<&'a str>,
}

fn answers() -> Vec<Answer<'static>> {
    let lines = include_str!("data/controller.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line
                .splitn(5, ' ')
                .map(|field| (field != "-").then_some(field));
            let mut field = || fields.next().expect("five fields");
            Answer {
                command: field().unwrap().parse().unwrap(),
                attributes: field().map(bytes).unwrap_or_default(),
                errno: field().unwrap().parse().unwrap(),
                offset: field().map(|offset| offset.parse().unwrap()),
                text: field(),
            }
        })
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn refused(error: PolicyError) -> (i32, Option<usize>, Option<&'static str>) {
    let offset = error.attribute_offset().map(|offset| offset + HEADERS);
    (error.errno(), offset, error.message())
}

/// The controller's result, once the attributes are accepted.
fn lookup(family: &CtrlFamilyAttrs<'_>) -> i32 {
    match (family.family_name, family.family_id) {
        (Some(b"nlctrl"), _) | (None, Some(GENL_ID_CTRL)) => 0,
        (None, None) => EINVAL,
        _ => ENOENT,
    }
}

#[test]
fn the_kernel_gives_the_same_answers() {
    let answers = answers();
    assert_eq!(answers.len(), 400);
    for answer in answers {
        let kernel = (answer.errno, answer.offset, answer.text);
        let shown = format!("{} {:02x?}", answer.command, answer.attributes);
        match answer.command {
            CTRL_CMD_GETFAMILY => {
                let ours = match CtrlFamilyAttrs::decode(&answer.attributes) {
                    Ok(family) => (lookup(&family), None, family.warning()),
                    Err(error) => refused(error),
                };
                assert_eq!(ours, kernel, "{shown}");
            }
            CTRL_CMD_GETPOLICY => match CtrlPolicyAttrs::decode(&answer.attributes) {
                // A failed look-up has no text.
                Ok(_) => assert_eq!(answer.text, None, "{shown}"),
                Err(error) => assert_eq!(refused(error), kernel, "{shown}"),
            },
            other => panic!("command {other}"),
        }
    }
}
