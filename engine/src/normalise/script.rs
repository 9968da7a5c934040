//! The normalised form of scripts.

/// Adds the normalised form of `script` to `form`.
pub(super) fn normalise(script: &[u8], form: &mut Vec<u8>) {
    if !form.is_empty() {
        form.push(b'\n');
    }
    form.extend_from_slice(b"<script>");
    form.extend(script.iter().map(u8::to_ascii_lowercase));
    form.extend_from_slice(b"</script>");
}
