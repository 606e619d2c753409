//! Whether somebody listens.

use retrue_provider_api::Value;
use tokio::net::TcpStream;

use super::{is_secret, text, words};

pub(super) async fn probe(values: &Value) -> Result<(), String> {
    let address = text(values, "address").ok_or("it has no address")?;
    match TcpStream::connect(address).await {
        Ok(_) => Ok(()),
        Err(_) if is_secret(values, "address") => Err("nobody could be reached there".to_owned()),
        Err(error) => Err(format!("{address} cannot be reached: {}", words(&error))),
    }
}
