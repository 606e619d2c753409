//! What kind of error a text means. Providers have nothing but text for it.

use retrue_provider_api::Category;

/// Lines of `CATEGORY: PART OF A TEXT`; the first that fits wins.
const TABLE: &str = include_str!("errors.txt");

/// The category that a text means by what is shipped; `None` when no line of the table fits.
pub(crate) fn classify(text: &str) -> Option<Category> {
    let text = text.to_lowercase();
    rules().find(|(_, part)| text.contains(part)).and_then(|(category, _)| Category::named(category))
}

/// Parts of texts, one a line.
const DOUBTS: &str = include_str!("doubts.txt");

/// Whether after an error with this text a create may have been carried out all the same.
pub(crate) fn leaves_doubt(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut lines = DOUBTS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.any(|part| text.contains(part))
}

fn rules() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(category, part)| (category.trim(), part.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for (category, part) in rules() {
            assert!(Category::named(category).is_some(), "{category}");
            assert_eq!(part, part.to_lowercase());
        }
    }

    #[test]
    fn texts_of_providers() {
        for (text, category) in [
            ("ThrottlingException: Rate exceeded", Some(Category::RateLimited)),
            ("googleapi: Error 429: Too many", Some(Category::RateLimited)),
            ("error: dial tcp 127.0.0.1:1: connect: connection refused", Some(Category::Network)),
            ("EntityAlreadyExists: Role with name x", Some(Category::Conflict)),
            ("RequestError: send request failed caused by: dial tcp: connection refused", Some(Category::Network)),
            ("RequestError: send request failed caused by: read tcp 1.1.1.1:1: i/o timeout", Some(Category::TimeOut)),
            ("RequestError: send request failed caused by: Post \"x\": EOF", Some(Category::Network)),
            ("timeout while waiting for state to become 'available'", Some(Category::TimeOut)),
            ("https response error StatusCode: 403, RequestID: x", Some(Category::Authentication)),
            ("something else", None),
        ] {
            assert_eq!(classify(text), category, "{text}");
        }
    }

    #[test]
    fn what_may_have_been_carried_out() {
        assert!(leaves_doubt("RequestError: send request failed caused by: Post: read: connection reset by peer"));
        assert!(leaves_doubt("operation error SQS: CreateQueue, context canceled"));
        // That nobody listens is what the last of its tries met.
        assert!(leaves_doubt("dial tcp 127.0.0.1:1: connect: connection refused"));
        assert!(!leaves_doubt("ThrottlingException: Rate exceeded status code: 400"));
    }
}
