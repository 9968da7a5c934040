//! Plain requests, as anybody can send them.

use super::World;
use axum::http::{HeaderMap, Method};
use reqwest::{Certificate, Client};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use url::Url;

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of a refusal; empty when it is none.
    pub(crate) fn code(&self) -> String {
        if self.status < 400 {
            return String::new();
        }
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Sends requests to one service.
#[derive(Clone)]
pub(crate) struct Web {
    client: Client,
    base: Url,
}

impl Web {
    pub(crate) fn to(world: &World) -> Web {
        Web::trusting(&world.url, None)
    }

    /// One that believes a certificate alone.
    pub(crate) fn trusting(base: &Url, pem: Option<&str>) -> Web {
        let certificates = pem.map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap());
        let builder = Client::builder().no_proxy().tls_certs_only(certificates).redirect(reqwest::redirect::Policy::none());
        Web { client: builder.build().unwrap(), base: base.clone() }
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = self.client.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, body: answer.bytes().await?.to_vec() })
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_send(method, path, headers, body.to_owned()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// As an operator.
    pub(crate) async fn with_token(&self, method: Method, path: &str, token: &str, body: &str) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
    }
}

/// A connection to a service, bare.
pub(crate) async fn connect(url: &Url) -> TcpStream {
    let address: SocketAddr = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// What comes until the other side closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that is cut off ends as one that is closed.
    drop(stream.read_to_end(&mut bytes).await);
    bytes
}
