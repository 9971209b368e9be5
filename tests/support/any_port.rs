//! Any store and any HTTP client as one type each. The service is generic, and each further type of a port compiles all
//! of it once more.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::{Request, Response};
use outbound_events::http_client::{HttpClient, NotSent, ResponseBody};
use outbound_events::store::{Store, StoreError};

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// [`Store`] as a trait that can be an object.
pub trait DynStore {
    fn exists<'a>(&'a self, key: &'a str) -> Later<'a, Result<bool, StoreError>>;
    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Vec<u8>>, StoreError>>;
    fn set<'a>(&'a self, key: &'a str, value: &'a [u8]) -> Later<'a, Result<(), StoreError>>;
    fn delete<'a>(&'a self, key: &'a str) -> Later<'a, Result<(), StoreError>>;
    fn get_keys(&self) -> Later<'_, Result<Vec<String>, StoreError>>;
}

impl<S: Store> DynStore for S {
    fn exists<'a>(&'a self, key: &'a str) -> Later<'a, Result<bool, StoreError>> {
        Box::pin(Store::exists(self, key))
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(Store::get(self, key))
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a [u8]) -> Later<'a, Result<(), StoreError>> {
        Box::pin(Store::set(self, key, value))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Later<'a, Result<(), StoreError>> {
        Box::pin(Store::delete(self, key))
    }

    fn get_keys(&self) -> Later<'_, Result<Vec<String>, StoreError>> {
        Box::pin(Store::get_keys(self))
    }
}

/// A store of any type.
pub struct AnyStore<'p>(pub &'p dyn DynStore);

impl Store for AnyStore<'_> {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.0.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.0.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(key).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.0.get_keys().await
    }
}

/// [`ResponseBody`] as a trait that can be an object.
pub trait DynBody {
    fn chunk(&mut self) -> Later<'_, Option<Vec<u8>>>;
}

impl<B: ResponseBody> DynBody for B {
    fn chunk(&mut self) -> Later<'_, Option<Vec<u8>>> {
        Box::pin(ResponseBody::chunk(self))
    }
}

/// A body of any type.
pub struct AnyBody<'p>(Box<dyn DynBody + 'p>);

impl ResponseBody for AnyBody<'_> {
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        self.0.chunk().await
    }
}

/// [`HttpClient`] as a trait that can be an object.
pub trait DynHttpClient<'p> {
    fn send(&self, request: Request<Vec<u8>>) -> Later<'_, Result<Response<AnyBody<'p>>, NotSent>>;
    fn wait(&self, time: Duration) -> Later<'_, ()>;
}

impl<'p, H: HttpClient<Body: 'p>> DynHttpClient<'p> for H {
    fn send(&self, request: Request<Vec<u8>>) -> Later<'_, Result<Response<AnyBody<'p>>, NotSent>> {
        Box::pin(async move {
            let response = HttpClient::send(self, request).await?;
            Ok(response.map(|body| AnyBody(Box::new(body))))
        })
    }

    fn wait(&self, time: Duration) -> Later<'_, ()> {
        Box::pin(HttpClient::wait(self, time))
    }
}

/// A client of any type.
pub struct AnyHttpClient<'p>(pub &'p dyn DynHttpClient<'p>);

impl<'p> HttpClient for AnyHttpClient<'p> {
    type Body = AnyBody<'p>;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<AnyBody<'p>>, NotSent> {
        self.0.send(request).await
    }

    async fn wait(&self, time: Duration) {
        self.0.wait(time).await;
    }
}
