//! Answers of a name server, as far as a check needs them that only asks whether it works.

/// The length of a header.
const HEADER: usize = 12;

/// One address for whatever name was asked for.
#[must_use]
pub fn address(question: &[u8]) -> Vec<u8> {
    let mut answer = header(question, 0, 1);
    answer.extend(question.get(HEADER..).unwrap_or_default());
    // The name asked for; type A, class IN; a minute; four bytes.
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    answer
}

/// The server has failed (`SERVFAIL`).
#[must_use]
pub fn failure(question: &[u8]) -> Vec<u8> {
    let mut answer = header(question, 2, 0);
    answer.extend(question.get(HEADER..).unwrap_or_default());
    answer
}

/// The header of an answer to a question, with its id.
fn header(question: &[u8], code: u8, answers: u8) -> Vec<u8> {
    let id = question.get(..2).unwrap_or(&[0, 0]);
    let mut header = id.to_vec();
    // An answer, recursion wanted and had; one question.
    header.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
    header
}
