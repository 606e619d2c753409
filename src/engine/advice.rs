//! What to do about an error of a kind, where whoever found it knew nothing better.

use crate::diagnostic::Diagnostic;

/// Gives advice to what has none.
pub(super) fn advise(diagnostic: &mut Diagnostic) {
    if diagnostic.hint.is_none() {
        diagnostic.hint = advice(diagnostic.code).map(ToOwned::to_owned);
    }
}

/// The advice for a code. Codes that are missing here never come without advice of their own.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "RT0101" => "each line is `key = value` or `[table]`; a template that holds quotes stands in '…', not in \"…\"",
        "RT0103" => "put a file there, or name another one",
        "RT0104" => "let this user read it, or mend what the system says",
        "RT0107" => "keep the inner part in a local, or in a file that `jsondecode(file(…))` reads",
        "RT0108" => "write a table with a header of its own, which may take several lines",
        "RT0109" => "keep one of them, or give one another name",
        "RT0110" => "`retrue schema` writes the JSON Schema of the format, which editors complete by",
        "RT0112" => "write a value of that kind",
        "RT0117" => "write one of these words, in quotes",
        "RT0119" => "an address looks like `TYPE.NAME`, `TYPE.NAME[0]` or `TYPE.NAME[\"KEY\"]`",
        "RT0122" => "keep one of them",
        "RT0123" => "write it out: it is needed before anything is evaluated",
        "RT0141" => "one `import` for each thing: to the address that is declared",
        "RT0140" => "one `moved` for each thing: from the address that it had to the one that is declared",
        "RT0151" => "`retrue providers schema TYPE` tells what the type has",
        "RT0152" => "`retrue providers schema TYPE` tells what the type needs",
        "RT0153" => "`retrue providers schema TYPE` tells the types; `tostring(…)`, `tonumber(…)`, `tolist(…)` convert",
        "RT0154" => "leave it out here; others may refer to it",
        "RT0155" => "`retrue providers schema TYPE` tells how many there may be",
        "RT0157" => "`count` takes a number from 0, `for_each` a list of different texts, or a map",
        "RT0158" => "a condition compares: `${var.size > 3}`",
        "RT0162" => "give a value of the type that the variable declares",
        "RT0163" => "give the variable a value that fulfils it",
        "RT0164" => "mend the source, or give the value with `--var`, `--var-file` or RETRUE_VAR_NAME",
        "RT0165" => "a file of values holds lines `NAME = VALUE`, in TOML",
        "RT0201" => "an expression stands between `${` and `}`; `$${` is the text `${`",
        "RT0202" => "give parts of it names in `[local]`",
        "RT0203" => "refer to something that is declared: `var.NAME`, `local.NAME`, `TYPE.NAME`",
        "RT0204" => "references look like `var.NAME`, `local.NAME`, `TYPE.NAME.attribute`, `data.TYPE.NAME.attribute`",
        "RT0205" => "leave it out",
        "RT0206" => "the documentation of expressions lists all functions",
        "RT0207" => "`retrue eval EXPR` tries expressions; the documentation of expressions tells what functions take",
        "RT0208" => "`...` comes behind a list, a set or a tuple",
        "RT0209" | "RT0210" => "`keys(…)` and `length(…)` tell what is there; `try(…, OTHER)` allows for its absence",
        "RT0211" => "`tonumber(…)`, `tostring(…)` and `tobool(…)` convert",
        "RT0212" => "`retrue eval EXPR` tries expressions",
        "RT0213" => "compare with `==`, `!=`, `<`, or convert with `tobool(…)`",
        "RT0214" => "give both results one type, with `tostring(…)`, `tolist(…)` or `tomap(…)`",
        "RT0215" | "RT0217" => "it goes through lists, sets, tuples, maps and objects",
        "RT0216" => "each key is a text and there once; `...` behind the value collects what has one key",
        "RT0218" => "`jsonencode(…)` or `join(…)` makes a text of it",
        "RT0219" => "a key is a text; an expression as a key stands in parentheses",
        "RT0220" => "such as `string`, `list(number)` or `map(object({ a = string, b = optional(number) }))`",
        "RT0221" => "a template file is text with `${…}` in it, relative to the stack",
        "RT0222" => "raise the limit on processes, or end what uses it up",
        "RT0301" => "break the circle: let one of them refer to something outside of it",
        "RT0401" => {
            "mend what keeps it from being read, then run again; `--target` with the addresses of others goes on without it"
        }
        "RT0402" => "name the one that is meant, or remove the others",
        "RT0403" => "it belongs to another stack: give this one another identity",
        "RT0404" | "RT0405" => "remove it, or let the block say what is there",
        "RT0406" => "take `prevent_destroy` out of `lifecycle` first, if it is really to go",
        "RT0407" | "RT0408" => "give one of them another identity",
        "RT0409" => "write a `[[moved]]` from the old address to the new one",
        "RT0412" | "RT0506" => "change what it is about so that it holds, or the condition",
        "RT0413" => "mend what the provider names; `retrue providers schema TYPE` tells what the type takes",
        "RT0414" => "this is a defect of the provider",
        "RT0415" | "RT0416" | "RT0417" => "make a new one with `retrue plan -o FILE`",
        "RT0418" => "`retrue state list` tells what is recorded, `retrue graph` what is declared",
        "RT0419" => "a block `[provider.NAME]` is needed until everything that was made by it is gone",
        "RT0420" => "take `create_before_destroy` or a `depends_on` from one of them",
        "RT0421" => "apply what it depends on first, with `--target ADDR`",
        "RT0422" => "name an instance that is declared",
        "RT0423" | "RT0610" => {
            "`retrue apply` settles what can be told by looking; `retrue resolve ADDR` takes your answer"
        }
        "RT0426" => "the documentation of the type says what its id looks like",
        "RT0424" => "write `sensitive = true` in the output, or `nonsensitive(…)` around what is no secret",
        "RT0508" => "mend the cause and run again: what was in progress is then settled first",
        "RT0601" => "it was sealed with another key, or changed by hand: give the key that the state was made with",
        "RT0602" | "RT0603" => "`retrue state recover` saves what can be read; a newer retrue may have written it",
        "RT0606" => "`retrue runs show RUN` tells what it did",
        "RT0611" => "`retrue state list` tells what is recorded",
        "RT0613" => "`retrue plan` tells what is in doubt",
        "RT0614" => "`retrue state export` writes a document to restore from",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_for_codes_that_exist() {
        let known = |code: &str| crate::codes::TABLE.iter().any(|(known, _)| *known == code);
        for number in 0..1000 {
            let code = format!("RT{number:04}");
            assert!(advice(&code).is_none() || known(&code), "{code}");
        }
    }
}
