//! Looks for objects of which only the configuration is known.

use retrue_provider_api::{
    Category, DataRequest, FindRequest, Found, ImportRequest, Marker, Observed, ProviderError, ProviderResult, Value,
};

use crate::marker;
use crate::provider::Terraform;
use crate::read::as_recorded;
use crate::recipes::{Recipe, texts};
use crate::schema::Kind;
use crate::shape::shape;

impl Terraform {
    pub(crate) async fn find_object(&self, request: FindRequest) -> ProviderResult<Found> {
        self.client.configured("find").await?;
        let (_, kind) = self.resource("find", &request.type_name).await?;
        let cannot = || {
            let what = format!("objects of type `{}` cannot be looked for", request.type_name);
            self.client.error(Category::Validation, "find", what)
        };
        let recipe = self.client.tables().recipe(&request.type_name).ok_or_else(cannot)?;
        let config = shape(kind.form(), &request.config);
        let marker = request.marker.as_ref().filter(|_| recipe.marker.is_some());
        if !recipe.fits(&config) {
            return Err(cannot());
        }
        if marker.is_none() && recipe.identity_of(&config).is_none_or(|identity| !identity.is_wholly_known()) {
            return match recipe.findable(&config) {
                retrue_provider_api::Findable::NothingOutside => Ok(Found::None),
                _ => Err(cannot()),
            };
        }
        let mut found = Vec::new();
        for id in self.ids(recipe, &config, marker, cannot).await? {
            let import = ImportRequest { type_name: request.type_name.clone(), id };
            match self.import_all(&import).await {
                Ok(imported) => {
                    let same = imported.into_iter().filter(|imported| imported.type_name == request.type_name);
                    found.extend(same.map(|imported| imported.object));
                }
                Err(error) if tells(&error, &recipe.absent) => {}
                Err(error) => return Err(ProviderError { operation: "find".into(), ..error }),
            }
        }
        found.retain(|object| !recipe.is_deleted(&object.state));
        for object in &mut found {
            object.marker = marker.map(ToString::to_string);
            object.state = self.as_configured(&request.type_name, &kind, &config, object);
        }
        Ok(match found.pop() {
            None => Found::None,
            Some(only) if found.is_empty() => Found::One(Box::new(only)),
            Some(last) => {
                found.push(last);
                Found::Many(found)
            }
        })
    }

    /// What to import.
    async fn ids(
        &self,
        recipe: &Recipe,
        config: &Value,
        marker: Option<&Marker>,
        cannot: impl Fn() -> ProviderError,
    ) -> ProviderResult<Vec<String>> {
        let hash = marker.map(marker::text);
        let mut more: Vec<(&str, &str)> = hash.iter().map(|hash| ("marker", hash.as_str())).collect();
        let mut answers = Vec::new();
        if let Some(lookup) = &recipe.lookup {
            let filled = recipe.filled(&lookup.config, config, &more).ok_or_else(&cannot)?;
            let data = DataRequest { type_name: lookup.data.clone(), config: filled };
            match self.read_source(data).await {
                Ok(answer) => answers = answer.get(&lookup.id).map(texts).unwrap_or_default(),
                Err(error) if tells(&error, &lookup.none) => return Ok(Vec::new()),
                Err(error) => return Err(ProviderError { operation: "find".into(), ..error }),
            }
        }
        let Some(import) = &recipe.import else { return Ok(answers) };
        let parts: Vec<(String, &str)> = answers.first().map(|answer| parts(answer)).unwrap_or_default();
        more.extend(parts.iter().map(|(name, part)| (name.as_str(), *part)));
        Ok(vec![recipe.fill(import, config, &more).ok_or_else(&cannot)?])
    }

    /// Null and empty as the configuration has them, for types that do not tell them apart.
    fn as_configured(&self, type_name: &str, kind: &Kind, config: &Value, object: &Observed) -> Value {
        if !self.is_legacy(type_name, kind) {
            return object.state.clone();
        }
        let settable = kind.block().attributes.iter().filter(|(_, attribute)| !attribute.computed);
        settable.fold(object.state.clone(), |state, (name, _)| match (config.get(name), state.get(name)) {
            (Some(set), Some(found)) => {
                let value = as_recorded(set, found);
                state.with_attribute(name, value)
            }
            _ => state,
        })
    }
}

/// An answer and its parts between colons and between slashes, by the names that they have in templates.
fn parts(answer: &str) -> Vec<(String, &str)> {
    let parts = answer.split(':').enumerate().map(|(index, part)| (format!("id.{index}"), part));
    let slashed = answer.split('/').enumerate().map(|(index, part)| (format!("id/{index}"), part));
    parts.chain(slashed).chain([("id".to_owned(), answer)]).collect()
}

/// Whether an error says one of these.
fn tells(error: &ProviderError, texts: &[String]) -> bool {
    let said = format!("{error:#}").to_lowercase();
    texts.iter().any(|text| said.contains(text.as_str()))
}
