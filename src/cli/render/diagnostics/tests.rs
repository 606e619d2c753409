use super::*;
use crate::cli::console::plain;
use crate::span::Span;

const TEXT: &str = r#"[stack]
schema = 1
name = "shop"

[resource.local_file.a]
path = "a.txt"
contnet = "ü and ${local.missing}"

[resource.local_file.b]
path = "b.txt"
content = """
one
two
"""






[resource.local_file.a]
path = "c.txt"
"#;

fn sources() -> (Sources, FileId) {
    let mut sources = Sources::default();
    let file = sources.add("retrue.toml".into(), TEXT);
    (sources, file)
}

fn span(file: FileId, text: &str) -> Span {
    let at = TEXT.find(text).unwrap();
    Span::new(file, at..at + text.len())
}

fn show(diagnostic: Diagnostic, sources: &Sources, width: usize) -> String {
    plain(&diagnostics(&[diagnostic], sources, width))
}

#[test]
fn a_place_is_shown_with_its_line() {
    let (sources, file) = sources();
    let diagnostic = Diagnostic::error("RT0104", "`local_file` has no attribute `contnet`")
        .at(span(file, "contnet"))
        .hint("did you mean `content`?");
    insta::assert_snapshot!(show(diagnostic, &sources, 100));
}

#[test]
fn places_apart_are_shown_apart() {
    let (sources, file) = sources();
    let second = TEXT.rfind("[resource.local_file.a]").unwrap();
    let diagnostic = Diagnostic::error("RT0107", "`local_file.a` is declared twice")
        .label(Span::new(file, second..second + 23), "again here")
        .label(span(file, "[resource.local_file.a]"), "first here")
        .note("all files of a stack are read as one");
    insta::assert_snapshot!(show(diagnostic, &sources, 100));
}

#[test]
fn places_after_wide_characters_line_up() {
    let (sources, file) = sources();
    let diagnostic = Diagnostic::error("RT0203", "there is no `local.missing`").at(span(file, "local.missing"));
    insta::assert_snapshot!(show(diagnostic, &sources, 40));
}

#[test]
fn many_are_counted() {
    let (sources, file) = sources();
    let one = Diagnostic::error("RT0203", "there is no `local.missing`").at(span(file, "local.missing"));
    let text = plain(&diagnostics(&vec![one; 70], &sources, 100));
    assert!(text.ends_with("70 errors; the last 20 are not shown\n"), "{text}");
}

#[test]
#[allow(clippy::reversed_empty_ranges)]
fn odd_places_do_no_harm() {
    let mut sources = Sources::default();
    let long = format!("a = \"{}\"", "x".repeat(100_000));
    let files = [
        sources.add("empty.toml".into(), ""),
        sources.add("long.toml".into(), long),
        sources.add("wide.toml".into(), "ü = 日本"),
        FileId(77),
    ];
    for file in files {
        for range in [0..0, 0..1, 1..5, 5..2, 3..4, 50_000..50_010, 9_999_999..10_000_000] {
            let diagnostic = Diagnostic::error("RT0101", "odd").at(Span { file, start: range.start, end: range.end });
            let text = show(diagnostic, &sources, 60);
            assert!(text.starts_with("error[RT0101]: odd"), "{text}");
            assert!(text.len() < 2_000, "{}", text.len());
        }
    }
}
