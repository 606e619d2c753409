use retrue_provider_api::{Marks, Value};

use super::table_tests::Stack;
use super::{EvalError, Expression, codes, evaluate, render, with_deep_stack};
use crate::span::{FileId, Span};

/// A template, from the TOML that it is written as.
fn parse(raw: &str) -> Result<Expression, EvalError> {
    let table: toml::Table = format!("key = {raw}\n").parse().unwrap();
    Expression::from_template(table["key"].as_str().unwrap(), Span::new(FileId(1), 6..6 + raw.len()), raw)
}

/// The text that a span covers, in the line `key = RAW`.
fn covered(raw: &str, span: Span) -> String {
    let source = format!("key = {raw}\n");
    source[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()].to_owned()
}

#[test]
fn toml_strings_are_templates() {
    let stack = Stack::new();
    let check = |raw: &str, expect: &str| {
        let value = evaluate(&parse(raw).unwrap(), &stack).unwrap();
        assert_eq!(render(&value), expect, "{raw}");
    };
    check(r#""plain""#, "\"plain\"");
    check(r#""${var.list}""#, "tolist([\n  \"a\",\n  \"b\",\n  \"c\",\n])");
    check(r#""${var.number} and ${var.text}""#, "\"42 and hello\"");
    check(r#""\u00e9 $${x} %%{y} ${"a\"b"}""#.replace("${\"a\\\"b\"}", "").as_str(), "\"é ${x} %{y} \"");
    check("'${ { a = \"x\" }[\"a\"] }'", "\"x\"");
    check(r#""${null}""#, "null");
    check("'''\n%{ for x in var.list ~}\n  - ${x}\n%{ endfor ~}\nend'''", "<<EOT\n  - a\n  - b\n  - c\nend\nEOT");
    check("'''\na\n  ${~ var.text ~}\n  b'''", "<<EOT\na\nhello  b\nEOT");
    check("\"\"\"\n${[\n  1,\n  2,\n]}\"\"\"", "[\n  1,\n  2,\n]");
}

#[test]
fn references_are_found_with_their_places() {
    let check = |raw: &str, expect: &[&str]| {
        let found: Vec<String> = parse(raw)
            .unwrap()
            .references()
            .iter()
            .map(|reference| {
                let key = reference.key.as_ref().map(ToString::to_string).unwrap_or_default();
                let any = if reference.dynamic_key { "[?]" } else { "" };
                let path = &reference.path;
                format!("{}{key}{any} {path} <{}>", reference.root, covered(raw, reference.span))
            })
            .collect();
        assert_eq!(found, expect, "{raw}");
    };
    check(r#""a""#, &[]);
    check(r#""\t${var.env}-${local.x.y[0].k.z}""#, &["var.env  <var.env>", "local.x y[0].k.z <local.x.y[0].k.z>"]);
    check("'${aws_x.y[\"k\"].id}'", &[r#"aws_x.y["k"] id <aws_x.y["k"].id>"#]);
    check("'${aws_x.y[0].id}${aws_x.y.0.id}'", &["aws_x.y[0] id <aws_x.y[0].id>", "aws_x.y[0] id <aws_x.y.0.id>"]);
    check("'${aws_x.y[each.key].id.z}'", &["aws_x.y[?] id.z <aws_x.y[each.key].id.z>", "each.key  <each.key>"]);
    check("'${data.a.b.c[count.index].d}'", &["data.a.b c <data.a.b.c[count.index].d>", "count.index  <count.index>"]);
    check("'${aws_x.y[*].id}'", &["aws_x.y  <aws_x.y>"]);
    check("'${[for x in var.l : x.id if x != local.z]}'", &["var.l  <var.l>", "local.z  <local.z>"]);
    check("'%{ for var in local.l }${var.x}%{ endfor }${var.x}'", &["local.l  <local.l>", "var.x  <var.x>"]);
    check("'${[for x in [1] : [for x in x : x]][0]}'", &[]);
    check(
        "'${self.a}${path.stack}${env.HOME}${resource.a.b.c}'",
        &["self a <self.a>", "path.stack  <path.stack>", "env.HOME  <env.HOME>", "a.b c <resource.a.b.c>"],
    );
    check("'${try(var.a, {x = local.b})}'", &["var.a  <var.a>", "local.b  <local.b>"]);
    let one = |raw: &str| parse(raw).unwrap().as_reference().map(|reference| reference.root.to_string());
    assert_eq!(one("'${aws_x.y.id}'").as_deref(), Some("aws_x.y"));
    assert_eq!(one("'a${aws_x.y.id}'"), None);
    assert_eq!(one("'${upper(aws_x.y.id)}'"), None);
}

#[test]
fn errors_have_codes_places_and_hints() {
    let stack = Stack::new();
    let check = |raw: &str, code: &str, place: &str, hint: &str| {
        let errors = match parse(raw) {
            Ok(expression) => evaluate(&expression, &stack).unwrap_err(),
            Err(error) => vec![error],
        };
        let error = &errors[0];
        assert_eq!(
            (error.code, covered(raw, error.span).as_str(), error.hint.as_deref().unwrap_or("")),
            (code, place, hint),
            "{raw}: {}",
            error.message
        );
    };
    let dollar = "if `${` is meant as text, such as a shell's `${X:-y}`, double the dollar sign: `$${`";
    let percent = "if `%{` is meant as text, such as curl's `%{http_code}`, double the percent sign: `%%{`";
    check(r#""\t${X:-y}""#, codes::SYNTAX, ":", dollar);
    check("'curl -w %{http_code}'", codes::SYNTAX, "%", percent);
    check(
        "'$${a} ${X}'",
        codes::UNKNOWN_NAME,
        "X",
        &format!("a variable is `var.X`, a resource `TYPE.NAME`; {dollar}"),
    );
    check("'${vra.x.y} ${vra}'", codes::UNKNOWN_NAME, "vra", "did you mean `var`?");
    check("'${var}'", codes::INVALID_REFERENCE, "var", "");
    check("'${each.ky}'", codes::INVALID_REFERENCE, "each.ky", "");
    check("'${module.m.x}'", codes::NOT_YET, "module.m.x", "");
    check(
        "'${provider::a::f(1)}'",
        codes::UNKNOWN_FUNCTION,
        "provider::a::f",
        "the name is that of a `[provider.NAME]` of the stack",
    );
    check("'${nosuch(1)}'", codes::UNKNOWN_FUNCTION, "nosuch", "");
    check("'${uper(\"x\")}'", codes::UNKNOWN_FUNCTION, "uper", "did you mean `upper`?");
    check("'${var.objects[0].nme.x}'", codes::NO_SUCH_ATTRIBUTE, "var.objects[0].nme", "did you mean `name`?");
    check("'${var.list[7]}'", codes::INVALID_INDEX, "var.list[7]", "");
    check("'a ${1 + [2]} b'", codes::OPERAND, "[2]", "");
    check(
        "'a ${[2]} b'",
        codes::TEMPLATE_VALUE,
        "[2]",
        "`jsonencode(…)` makes a text of anything, `join(\", \", …)` of a list",
    );
    check("'${null ? 1 : 2}'", codes::CONDITION, "null", "");
    check("'${true ? 1 : []}'", codes::INCONSISTENT_TYPES, "1 : []", "");
    check("'${[1][0].0.0}'", codes::SYNTAX, "[1][0].0.0", "write `[0][1]`");
    check(
        "'${ {a.b = 1} }'",
        codes::OBJECT_KEY,
        "a.b",
        "put a reference in parentheses, and a name with dots in quotes",
    );
}

#[test]
fn several_errors_are_reported_at_once() {
    let stack = Stack::new();
    let raw = "'${[var.nope, null.a, 1 + [2]]}'";
    let errors = evaluate(&parse(raw).unwrap(), &stack).unwrap_err();
    assert_eq!(errors.iter().map(|error| covered(raw, error.span)).collect::<Vec<_>>(), ["var.nope", "null.a", "[2]"]);
    // What is wrong once is told once, however often it is evaluated.
    let errors = evaluate(&parse("'${[for x in [1, 2] : null.a]}'").unwrap(), &stack).unwrap_err();
    assert_eq!(errors.len(), 1);
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let stack = Stack::new();
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        let text = format!("${{{}{inner}{}}}", open.repeat(times), close.repeat(times));
        let raw = format!("'''{text}'''");
        Expression::from_template(&text, Span::new(FileId(0), 0..raw.len()), &raw)
    };
    with_deep_stack(|| {
        for (open, inner, close) in
            [("(", "1", ")"), ("[", "", "]"), ("{a=", "1", "}"), ("-", "1", ""), ("!", "1", ""), ("abs(", "1", ")")]
        {
            let error = nested(open, inner, close, 20_000).unwrap_err();
            assert!([codes::TOO_DEEP, codes::SYNTAX].contains(&error.code), "{open}: {error:?}");
            let deepest = nested(open, inner, close, 55);
            assert!(deepest.is_ok(), "{open}: {deepest:?}");
            let _ = evaluate(&deepest.unwrap(), &stack);
        }
        for (inner, count) in [("1 + ", 20_000), ("true ? 1 : ", 20_000), ("a.b", 1)] {
            let steps = if count == 1 { ".c".repeat(20_000) } else { String::new() };
            let error =
                nested("", &format!("{}{}", inner.repeat(count), if count == 1 { steps } else { "1".into() }), "", 1)
                    .unwrap_err();
            assert_eq!(error.code, codes::TOO_DEEP, "{inner}: {}", error.message);
        }
        let longest = nested("", &format!("{}1", "1 + ".repeat(127)), "", 1).unwrap();
        assert_eq!(evaluate(&longest, &stack).unwrap(), Value::from(128i64));
        // Directives nest as well.
        let text = "%{ if true }".repeat(20_000);
        let error = Expression::from_template(&text, Span::default(), &text).unwrap_err();
        assert_eq!(error.code, codes::TOO_DEEP);
    })
    .unwrap();
}

#[test]
fn what_is_unknown_is_unknown_by_element_and_keeps_its_marks() {
    let stack = Stack::new();
    let value = |text: &str| evaluate(&Expression::bare(text, FileId(0)).unwrap(), &stack).unwrap();
    let unknown = "terraform_data.unknown.id";
    assert_eq!(value(&format!("\"a-${{{unknown}}}\"")).kind(), retrue_provider_api::Type::String);
    assert_eq!(value(&format!("[1, {unknown}]")).unknown_paths().len(), 1);
    assert_eq!(value(&format!("sensitive(\"x\") == {unknown}")).marks(), Marks::SENSITIVE);
    assert_eq!(value(&format!("\"${{sensitive(\"x\")}}${{{unknown}}}\"")).marks(), Marks::SENSITIVE);
    assert_eq!(value("{a = [sensitive(1)], b = 2}").marks(), Marks::NONE);
    assert_eq!(value("[sensitive(1)] == [1]").marks(), Marks::SENSITIVE);
}

#[test]
fn a_comment_may_stand_behind_an_expression() {
    let stack = Stack::new();
    let check = |text: &str, expect: Option<&str>| {
        let value = Expression::bare(text, FileId(0)).ok().and_then(|one| evaluate(&one, &stack).ok());
        assert_eq!(value.map(|value| render(&value)).as_deref(), expect, "{text}");
    };
    check("1 # c", Some("1"));
    check(" 1 // c # d", Some("1"));
    check("1 /* c */", Some("1"));
    check("\"a#b//c\" # \"d", Some("\"a#b//c\""));
    check("1 /* c */ + 2 # e", Some("3"));
    check("1 + # c", None);
    check("1 /* c", None);
    check("1 /* c */ 2", None);
    check("1 # c\n2", None);
    check("# c", None);
}
