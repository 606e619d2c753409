//! The codes of errors in the configuration and its graph.
//!
//! A code is stable: once released it keeps its meaning, and a retired one is not used again.

/// Defines the codes, and a table of all of them for documentation.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)*) => {
        $($(#[doc = $doc])+ pub const $name: &str = $code;)*

        /// Every code with its one-line explanation, in order.
        pub const TABLE: &[(&str, &str)] = &[$(($code, concat!($($doc),+))),*];
    };
}

codes! {
    /// The text is not TOML.
    SYNTAX = "RT0101";
    /// The directory holds no `retrue.toml`.
    NO_STACK = "RT0102";
    /// A directory, or something else that is no file, stands where a file is expected.
    NOT_A_FILE = "RT0103";
    /// A file cannot be read.
    UNREADABLE = "RT0104";
    /// A file is not UTF-8.
    NOT_UTF8 = "RT0105";
    /// A file is larger than 16 MiB.
    TOO_LARGE = "RT0106";
    /// Brackets or dotted keys are nested too deeply.
    TOO_DEEP = "RT0107";
    /// The text uses syntax that came with TOML 1.1; the format is TOML 1.0.
    NEWER_TOML = "RT0108";
    /// The same thing is defined twice.
    DUPLICATE = "RT0109";
    /// A key that is not known at this place.
    UNKNOWN_KEY = "RT0110";
    /// A key or table that the format reserves and this version does not support.
    NOT_YET_SUPPORTED = "RT0111";
    /// A value of the wrong kind for a key of the format: a table where a string is wanted.
    WRONG_KIND = "RT0112";
    /// A key that the format requires is missing.
    MISSING_KEY = "RT0113";
    /// The version of the format is missing, or not one that this program reads.
    SCHEMA_VERSION = "RT0114";
    /// A name that references could not use: a letter or `_` comes first, then letters, digits, `_` and `-`.
    BAD_NAME = "RT0115";
    /// `inf` and `nan` are no numbers that infrastructure can have.
    BAD_NUMBER = "RT0116";
    /// The key takes one of a few words, and this is none of them.
    BAD_CHOICE = "RT0117";
    /// A text that is no duration, such as `30s` or `1h 30m`.
    BAD_DURATION = "RT0118";
    /// A text that is no address, reference or path.
    BAD_REFERENCE = "RT0119";
    /// Two keys that exclude each other.
    CONFLICTING_KEYS = "RT0122";
    /// A constant was wanted, and this is a template with expressions.
    NOT_CONSTANT = "RT0123";
    /// A variable that is not declared.
    UNKNOWN_VARIABLE = "RT0130";
    /// A local value that is not declared.
    UNKNOWN_LOCAL = "RT0131";
    /// A resource or data source that is not declared.
    UNKNOWN_RESOURCE = "RT0132";
    /// An instance key of the wrong form, or where there are no instances, or none where there are some.
    INSTANCE_KEY = "RT0133";
    /// `each`, `count` or `self` where it means nothing.
    OUT_OF_PLACE = "RT0134";
    /// A provider configuration that is not declared.
    UNKNOWN_PROVIDER = "RT0135";
    /// A reference where only constants are allowed.
    REFERENCE_NOT_ALLOWED = "RT0137";
    /// An ephemeral value stands where it would be kept.
    EPHEMERAL = "RT0138";
    /// A `moved` whose `from` is still declared, whose `to` is not, or that goes in a circle.
    BAD_MOVE = "RT0140";
    /// An `[[import]]` that cannot hold: its target is not declared, or imported twice.
    BAD_IMPORT = "RT0141";
    /// What must not fail depends on something that may.
    RESTS_ON_OPTIONAL = "RT0142";
    /// A type that no provider offers.
    UNKNOWN_TYPE = "RT0150";
    /// An attribute that the type does not have.
    UNKNOWN_ATTRIBUTE = "RT0151";
    /// An attribute that the type requires is missing.
    MISSING_ATTRIBUTE = "RT0152";
    /// A value that does not convert to the type of its attribute.
    TYPE_MISMATCH = "RT0153";
    /// An attribute that only the provider sets.
    NOT_SETTABLE = "RT0154";
    /// Too few or too many nested blocks.
    BLOCK_COUNT = "RT0155";
    /// `for_each` or `count` with a value that it cannot take.
    REPETITION = "RT0157";
    /// A condition that does not hold or is no truth value.
    CONDITION = "RT0158";
    /// An attribute or block that should no longer be used.
    DEPRECATED = "RT0159";
    /// A variable without a value.
    NO_VALUE = "RT0160";
    /// A value was given for a variable that is not declared.
    UNKNOWN_VARIABLE_GIVEN = "RT0161";
    /// A value that does not convert to the type of its variable, or cannot be read.
    BAD_VALUE = "RT0162";
    /// A value that a validation of its variable refuses.
    VALIDATION = "RT0163";
    /// A source of a value (`from`) that cannot be read.
    SOURCE = "RT0164";
    /// A file of values that cannot be used.
    VARIABLE_FILE = "RT0165";
    /// Things that depend on each other in a circle.
    CYCLE = "RT0301";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, explanation) in TABLE {
            assert!(code.len() == 6 && code.starts_with("RT0"), "{code}");
            assert!(explanation.trim().ends_with('.'), "{code}: {explanation}");
        }
    }
}
