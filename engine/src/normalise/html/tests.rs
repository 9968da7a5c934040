//! What pages become.

use super::*;
use proptest::prelude::*;

fn forms(page: &[u8]) -> PageForms {
    let mut forms = PageForms::default();
    normalise(page, &mut forms);
    forms
}

fn shown(form: &[u8]) -> String {
    form.escape_ascii().to_string()
}

/// Each line is what clamscan was seen to write without comments and without tags.
#[test]
fn as_clamscan_does() {
    let cases: [(&[u8], &[u8], &[u8]); 47] = [
        (b"  ABC   def  ", b"abc def", b" abc def "),
        (b"a\nb\r\nc\td\0e", b"a b c de", b" a b c de"),
        (b"a\rb\x01c\x7f", b"ab\x01c\x7f", b" ab c\x7f"),
        (b"<P>Text</P>", b"<p>text</p>", b" text "),
        (b"<p  class = \"A  B\"  id=Foo>x", b"<p class=\"a b\" id=foo>x", b" x"),
        (b"<p class='A B' id='Q\"x'>y", b"<p class=\"a b\" id=\"q\"x\">y", b" y"),
        (b"<!-- a > b --> c", b"b --> c", b" b --> c"),
        (b"a <!-- x --> b", b"a b", b" a b"),
        (b"<!-- unclosed x", b"", b" "),
        (b"< !-- c -->x", b"x", b" x"),
        (b"<?xml version=\"1.0\"?>x", b"<?xml version=\"1.0\" ?>x", b" x"),
        (b"< p>x", b"<p>x", b" x"),
        (b"a < b > c", b"a <b>c", b" a c"),
        (b"x<", b"x<", b" x "),
        (b"x<p ", b"x<p", b" x "),
        (b"a <b> c</b> d", b"a <b>c</b>d", b" a c d"),
        (b"x > y  > z", b"x > y > z", b" x > y > z"),
        (b"&lt;b&gt; &AMP; &foo; &hellip;&eacute;", b"<b> &amp; &foo; &#x2026;\xe9", b" b "),
        (b"&#65;&#66 c &#x41;", b"aB c a", b" c "),
        (b"a=b?c&d=e&-->f", b"a=b?c&d=e&-->f", b" a=b?c =e >f"),
        (b"x&am", b"x&am", b" x "),
        (b"x&#6", b"x", b" x "),
        (b"<a b=c/d>x", b"<a b=c/d>x", b" x"),
        (b"<a b = \"c\"d=e>x", b"<a b=\"c\" d=e>x", b" x"),
        (b"<a b=c'd'e>x", b"<a b=c\"d\"e>x", b" x"),
        (b"<a 'b'>x", b"<a 'b'>x", b" x"),
        (b"<a b=\"c>d\">x", b"<a b=\"c>d\">x", b" x"),
        (b"<a b=\"c d>e\">x", b"<a b=\"c d>e\">x", b" e\">x"),
        (b"<a b=\"c>d>e\">x", b"<a b=\"c>d>e\">x", b" e\">x"),
        (b"<a b=\"c d\"e f\"g>x", b"<a b=\"c d\"e f\"g>x", b" x"),
        (b"<a b=\"C U &lt;J V &lt;\">x", b"<a b=\"c u &lt;j v &lt;\">x", b" x"),
        (b"<a b=\"&quot;c&amp;\" d=&#65;>x", b"<a b=\"\"c&\" d=a>x", b" x"),
        (b"<a b=\"c\"/>x", b"<a b=\"c\" />x", b" x"),
        (b"<a href=\"A.gif\">x</a>y", b"<a href=\"a.gif\">x</a>y", b" A.gif x y"),
        (b"<a href=A href=B>x", b"<a href=a href=b>x", b" A x"),
        (b"<img src=A><b src=B> z", b"<img src=a><b src=b>z", b" A z"),
        (b"<a href=A&amp;B>y", b"<a href=a&b>y", b" A&B y"),
        (b"<a href=\"AB CD EF GH\">x", b"<a href=\"ab cd ef gh\">x", b" AB C x"),
        (b"<a href=\"A.gif\">", b"<a href=\"a.gif\">", b" "),
        (b"<script>A  b</SCRIPT> C  d", b"<script>ab</script>c d", b" c d"),
        (b"<script>a</script >b", b"<script>a</script>b", b" >b"),
        (b"<script>a</scriptx>b", b"<script>a</scriptx>b", b" "),
        (b"<style>a  B</style>c  d", b"<style>ab</style>c d", b" c d"),
        (b"<style>a</script>c  d", b"<style>a</script>c d", b" c d"),
        (b"<script/>a  b", b"<script/>a b", b" a b"),
        (b"A\xc3\xa9 B", b"a\xc3\xa9 b", b" a\xc3\xc3 b"),
        (b"a\xe9b\xf0\x9f\x98\x80c", b"a\xe9b\xf0\x9f\x98\x80c", b" a\x00b\xf0\x9f\x9f\x00c"),
    ];
    for (page, uncommented, untagged) in cases {
        let forms = forms(&[b"<i>", page].concat());
        let want = (shown(&[b"<i>", uncommented].concat()), shown(untagged));
        assert_eq!((shown(&forms.uncommented), shown(&forms.untagged)), want, "{}", shown(page));
    }
}

#[test]
fn scripts_have_a_form_together() {
    let page = b"<script>var a</script>text<script src=x>\nA = 'b';</SCRIPT><style>c</style><script>/* d";
    let want = "<script>var n000</script>\n<script>a=\"b\";</script>\n<script></script>";
    assert_eq!(String::from_utf8(forms(page).scripts).unwrap(), want);
}

const PARTS: [&[u8]; 20] = [
    b"<",
    b">",
    b"\"",
    b"'",
    b"=",
    b" ",
    b"&",
    b"&#",
    b"&#255;",
    b"&pi;",
    b"<a href=",
    b"<script>",
    b"</script>",
    b"<style>",
    b"<!--",
    b"a",
    b"\0",
    b"\r\n",
    b"\xe9",
    b"/",
];

proptest! {
    #[test]
    fn any_page_has_forms_of_bounded_length(
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..60)
    ) {
        let page = parts.concat();
        let forms = forms(&page);
        for form in [&forms.uncommented, &forms.untagged] {
            prop_assert!(form.len() <= 2 * page.len() + 1, "{} of {}", form.len(), page.len());
        }
        prop_assert!(forms.scripts.len() <= 16 * page.len() + 64);
    }

    #[test]
    fn any_bytes_have_forms(page in prop::collection::vec(any::<u8>(), 0..300)) {
        forms(&page);
    }
}
