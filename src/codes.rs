//! All codes of errors, in one table.
//!
//! A code is stable: it keeps its meaning, and a retired one is not used again. The rooms define
//! their own; this table is what documentation and people go by.

macro_rules! table {
    ($($code:literal $meaning:literal)*) => {
        /// Every code with what it stands for, in order. `docs/errors/CODE.md` tells more.
        pub const TABLE: &[(&str, &str)] = &[$(($code, $meaning)),*];

        /// The pages, in the same order.
        const PAGES: &[&str] = &[$(include_str!(concat!("../docs/errors/", $code, ".md"))),*];
    };
}

table! {
    "RT0101" "the text is not TOML"
    "RT0102" "there is no stack here"
    "RT0103" "not a file"
    "RT0104" "a file cannot be read"
    "RT0105" "a file is not UTF-8"
    "RT0106" "a file is too large"
    "RT0107" "nested too deeply"
    "RT0108" "syntax of a newer TOML"
    "RT0109" "defined twice"
    "RT0110" "an unknown key"
    "RT0111" "not supported yet"
    "RT0112" "a value of the wrong kind"
    "RT0113" "a key is missing"
    "RT0114" "the version of the format"
    "RT0115" "a name that references could not use"
    "RT0116" "not a number"
    "RT0117" "none of the choices"
    "RT0118" "not a duration"
    "RT0119" "not an address or reference"
    "RT0122" "keys that exclude each other"
    "RT0123" "a constant was wanted"
    "RT0130" "an unknown variable"
    "RT0131" "an unknown local value"
    "RT0132" "an unknown resource or data source"
    "RT0133" "the key of an instance"
    "RT0134" "out of place"
    "RT0135" "an unknown provider configuration"
    "RT0137" "no references here"
    "RT0138" "an ephemeral value where it would be kept"
    "RT0140" "a `moved` that cannot hold"
    "RT0141" "an `import` that cannot hold"
    "RT0142" "it rests on something optional"
    "RT0150" "a type that no provider offers"
    "RT0151" "an attribute that the type does not have"
    "RT0152" "a required attribute is missing"
    "RT0153" "a value of the wrong type"
    "RT0154" "only the provider sets this"
    "RT0155" "too few or too many nested blocks"
    "RT0157" "`for_each` or `count` with a value that it cannot take"
    "RT0158" "a condition that is neither true nor false"
    "RT0159" "something that should no longer be used"
    "RT0160" "a variable without a value"
    "RT0161" "a value for an unknown variable"
    "RT0162" "a value that its variable cannot have"
    "RT0163" "a value that a validation refuses"
    "RT0164" "a source that cannot be read"
    "RT0165" "a file of values that cannot be used"
    "RT0201" "not an expression"
    "RT0202" "an expression too deep"
    "RT0203" "a name that stands for nothing"
    "RT0204" "a malformed reference"
    "RT0205" "an expression of later work"
    "RT0206" "an unknown function"
    "RT0207" "a function refused its arguments"
    "RT0208" "nothing that `...` can expand"
    "RT0209" "no such attribute"
    "RT0210" "no such element"
    "RT0211" "an operand of the wrong type"
    "RT0212" "an operation without a result"
    "RT0213" "a condition that is neither true nor false"
    "RT0214" "results without a common type"
    "RT0215" "nothing that `for` can go through"
    "RT0216" "a key of a `for` expression"
    "RT0217" "nothing that a splat goes through"
    "RT0218" "not a text"
    "RT0219" "a key of an object"
    "RT0220" "a malformed type expression"
    "RT0221" "a template file"
    "RT0222" "no thread to evaluate on"
    "RT0223" "a value nested too deeply"
    "RT0301" "a circle"
    "RT0401" "a resource could not be read"
    "RT0402" "several things it could be"
    "RT0403" "the marker of another stack"
    "RT0404" "it exists, and may not be adopted"
    "RT0405" "it exists, and differs in what cannot be changed"
    "RT0406" "`prevent_destroy` forbids it"
    "RT0407" "the new one cannot come first"
    "RT0408" "two resources with one identity"
    "RT0409" "recorded under another address"
    "RT0410" "`for_each` or `count` is not known yet"
    "RT0412" "a condition does not hold"
    "RT0413" "a provider could not plan"
    "RT0414" "a provider planned what it may not"
    "RT0415" "a plan file is damaged"
    "RT0416" "a plan file of a newer version"
    "RT0417" "the base of the plan has moved"
    "RT0418" "`--target` or `--replace` names nothing"
    "RT0419" "no provider for a type"
    "RT0420" "steps that wait for each other"
    "RT0421" "a provider's configuration is not known yet"
    "RT0422" "no such instance"
    "RT0423" "it rests on something in doubt"
    "RT0424" "an output that shows a secret"
    "RT0425" "a provider that is not installed"
    "RT0426" "an import that cannot be carried out"
    "RT0427" "tables about a provider that cannot be understood"
    "RT0428" "a fallback that leads to other objects"
    "RT0429" "a replacement would delete what was adopted"
    "RT0430" "what is recorded belongs to another provider"
    "RT0501" "a provider could not carry out a step"
    "RT0502" "the world is not what the plan saw"
    "RT0503" "an expression without a value"
    "RT0504" "what became known does not fit the plan"
    "RT0505" "it exists already"
    "RT0506" "a condition does not hold"
    "RT0507" "no answer in time"
    "RT0508" "the journal could not be written"
    "RT0509" "stopped by a person"
    "RT0510" "steps failed"
    "RT0511" "a health check is unhealthy"
    "RT0601" "a sealed value of the record cannot be opened"
    "RT0602" "a record cannot be read"
    "RT0603" "a journal that cannot be"
    "RT0604" "no such run"
    "RT0605" "a later run builds on it"
    "RT0606" "a run that cannot be unwound"
    "RT0607" "an undo failed"
    "RT0608" "stopped at a point of no return"
    "RT0609" "not as it was before"
    "RT0610" "a step in doubt"
    "RT0611" "nothing is recorded at the address"
    "RT0612" "changed since"
    "RT0613" "nothing in doubt there"
    "RT0614" "not a document to restore from"
    "RT0615" "an address is taken"
    "RT0616" "nothing to decide about a run"
    "RT0617" "a run that cannot be replayed"
    "RT0618" "the world has moved since the run that is to be replayed"
    "RT0701" "another run holds the lock"
    "RT0702" "the state on a network file system"
    "RT0703" "a state of a newer version"
    "RT0704" "no permission for the state"
    "RT0705" "the state on a read-only file system"
    "RT0706" "the disk is full"
    "RT0707" "a file of the state failed"
    "RT0708" "the state is damaged"
    "RT0709" "the mirror of the state is damaged"
    "RT0710" "a stored object is missing or damaged"
    "RT0711" "the key of the state was not found"
    "RT0712" "another key"
    "RT0713" "the source of the key failed"
    "RT0714" "a sealed value cannot be opened"
    "RT0715" "nothing more is written"
    "RT0716" "the state was closed"
    "RT0717" "a name or size that the store does not take"
    "RT0718" "there is no state"
    "RT0719" "the disk does not answer"
    "RT0720" "the database failed"
    "RT0721" "not an exported state"
    "RT0722" "the state of another stack"
    "RT0801" "wrong usage"
    "RT0802" "standard output could not be written"
    "RT0803" "nobody can be asked"
    "RT0804" "the answer was not `yes`"
    "RT0805" "a stack is there already"
    "RT0806" "a file could not be written"
    "RT0807" "no such output"
    "RT0808" "nothing is recorded there"
    "RT0809" "no such type"
    "RT0810" "the program cannot start"
    "RT0811" "a file could not be read"
    "RT0812" "known only after an apply"
    "RT0813" "a secret is not shown"
    "RT0814" "nothing differs there"
    "RT0815" "no such code"
    "RT0816" "metrics were not written"
    "RT0817" "telemetry was not sent"
    "RT0901" "not a name of an environment"
    "RT0902" "a plan file cannot be read or written"
    "RT0903" "an option that does not fit"
    "RT0951" "a trace cannot be written"
    "RT0952" "not a trace, or a damaged one"
    "RT0953" "a trace of a newer format"
    "RT0954" "not in the recording"
    "RT1001" "no state of Terraform there"
    "RT1002" "a state of Terraform that cannot be read"
    "RT1003" "a state of Terraform of another version"
    "RT1004" "not Terraform's language"
    "RT1005" "it cannot be converted"
    "RT1006" "converted with a difference"
    "RT1007" "a stack or a record is there already"
    "RT1008" "an object that cannot be taken over"
    "RT1009" "an object that Terraform cannot have"
    "RT1010" "the stack that was made is not sound"
    "RT1011" "the stack could not be written"
    "RT1012" "secrets in the clear"
}

/// The page of a code.
pub fn page(code: &str) -> Option<&'static str> {
    let position = TABLE.binary_search_by_key(&code, |(code, _)| code).ok()?;
    PAGES.get(position).copied()
}

/// What a code stands for.
pub fn meaning(code: &str) -> Option<&'static str> {
    let position = TABLE.binary_search_by(|(known, _)| (*known).cmp(code)).ok()?;
    TABLE.get(position).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    /// The codes that a line of a source defines.
    fn defined_in(path: &Path, found: &mut BTreeSet<String>) {
        let defines =
            regex::Regex::new("const [A-Z0-9_]+: &str = \"(RT[0-9]{4})\"|^    [A-Z0-9_]+ = \"(RT[0-9]{4})\";").unwrap();
        for line in fs_err::read_to_string(path).unwrap().lines() {
            if let Some(captures) = defines.captures(line) {
                found.extend(captures.iter().skip(1).flatten().map(|code| code.as_str().to_owned()));
            }
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(meaning("RT0101"), Some("the text is not TOML"));
        assert_eq!(meaning("RT9999"), None);
    }

    #[test]
    fn the_table_is_complete() {
        let mut defined = BTreeSet::new();
        for place in ["src", "providers"] {
            for entry in walkdir::WalkDir::new(root().join(place)).into_iter().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "rs") {
                    defined_in(entry.path(), &mut defined);
                }
            }
        }
        let listed: BTreeSet<String> = TABLE.iter().map(|(code, _)| (*code).to_owned()).collect();
        let missing: Vec<_> = defined.difference(&listed).collect();
        let stale: Vec<_> = listed.difference(&defined).collect();
        assert!(missing.is_empty() && stale.is_empty(), "not in the table: {missing:?}; defined nowhere: {stale:?}");
    }

    #[test]
    fn every_code_has_its_page() {
        let pages = root().join("docs/errors");
        let mut names = BTreeSet::new();
        for entry in fs_err::read_dir(&pages).unwrap().flatten() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
        assert!(names.remove("README.md"));
        let index = fs_err::read_to_string(pages.join("README.md")).unwrap();
        for (code, meaning) in TABLE {
            assert!(names.remove(&format!("{code}.md")), "docs/errors/{code}.md is missing");
            let page = fs_err::read_to_string(pages.join(format!("{code}.md"))).unwrap();
            assert!(page.starts_with(&format!("# {code}: {meaning}\n")), "{code}");
            for heading in ["## What happened", "## Why", "## Example", "## What to do"] {
                assert!(page.contains(&format!("\n{heading}\n")), "{code} lacks {heading}");
            }
            assert!(index.contains(&format!("- [{code}]({code}.md): {meaning}\n")), "{code} is not in the index");
        }
        assert!(names.is_empty(), "pages of no code: {names:?}");
    }
}
