//! Names in `patches/<n>.parts`, escaped so that the shell's `printf %b` gives the bytes back.

/// `name` with every byte outside `A-Za-z0-9/._-` as `\0` and three octal digits.
pub fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str("\\0");
            for shift in [6, 3, 0] {
                text.push(char::from(b'0' + (byte >> shift & 7)));
            }
        }
    }
    text
}

/// The bytes that [`escape`] was given; `None` if the text is not in exactly that form.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'\\' {
            name.push(first);
            rest = tail;
            continue;
        }
        let digits = tail.get(..4).filter(|digits| digits[0] == b'0')?;
        name.push(u8::from_str_radix(std::str::from_utf8(&digits[1..]).ok()?, 8).ok()?);
        rest = &tail[4..];
    }
    // One name has one spelling: what does not escape back was not written by us.
    (escape(&name) == text).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn the_shell_reads_it_back() {
        let name: Vec<u8> = (1..=255).collect();
        for shell in ["sh", "bash"] {
            let script = format!("printf %b '{}'", escape(&name));
            let told = Command::new(shell).args(["-c", &script]).output().unwrap();
            assert_eq!(told.stdout, name, "{shell}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["a b", "\\", "\\040", "\\0400", "\\00", "\\0101", "\\0+10", "\\n", "ä"] {
            assert_eq!(unescape(text), None, "{text}");
        }
        assert_eq!(unescape("a\\0040b").unwrap(), b"a b");
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unescape(&escape(&name)), Some(name));
        }
    }
}
