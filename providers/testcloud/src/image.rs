//! Data `testcloud_image`: an image by its name.

use retrue_provider_api::{
    Attribute, Category, Context, Path, ProviderError, ProviderResult, Type, TypeSchema, Value, convert,
    from_plain_json,
};
use serde_json::Value as Json;

use crate::client::{Client, Failure};
use crate::cloud::{Call, Method};
use crate::resource::schema as schema_of;

pub(crate) const TYPE_NAME: &str = "testcloud_image";

pub(crate) fn schema() -> TypeSchema {
    schema_of(
        "An image that instances can run, by its name.",
        [
            ("name", Attribute::required(Type::String, "The name.")),
            ("id", Attribute::computed(Type::String, "The id.")),
            ("size", Attribute::computed(Type::Number, "Gigabytes.")),
        ],
        [],
    )
}

/// Looks an image up.
pub(crate) async fn read(client: &Client, context: &Context, config: &Value) -> ProviderResult<Value> {
    let name = || Path::attribute("name");
    let Some(wanted) = config.get("name").and_then(Value::as_str) else {
        return Err(ProviderError::new(Category::Validation, "read_data", "the name is not known").at(name()));
    };
    let call = Call::new(Method::Get, "/v1/images").with_query("name", wanted);
    let answer = client.call(context, "read_data", call).await.map_err(Failure::into_error)?;
    let Some(image) = answer.body.as_array().and_then(|images| images.first()) else {
        let message = format!("there is no image `{wanted}`");
        return Err(ProviderError::new(Category::NotFound, "read_data", message).at(name()));
    };
    let wrong = |error: String| ProviderError::new(Category::ServerError, "read_data", error);
    let of = |attribute: &str| image.get(attribute).cloned().unwrap_or(Json::Null);
    let image = Json::Object(
        ["name", "id", "size"].map(|attribute| (attribute.to_owned(), of(attribute))).into_iter().collect(),
    );
    let image = from_plain_json(&image).map_err(|error| wrong(error.to_string()))?;
    convert(&image, &schema().block.value_type()).map_err(|error| wrong(error.to_string()))
}
