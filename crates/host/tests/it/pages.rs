//! The component on a host that lists keys in pages, as `wasi:keyvalue` allows: pages can overlap.

use crate::component::compiled;
use crate::support;
use crate::support::TOKEN;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView, p2,
};

use self::bindings::wasi::config::store as config;
use self::bindings::wasi::keyvalue::store as keyvalue;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "wasi",
        with: { "wasi:keyvalue/store.bucket": super::OpenBucket },
    });
}

/// The only bucket.
pub struct OpenBucket;

/// A host whose bucket has keys without values.
struct Host {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    way_out: NoWayOut,
    pages: Vec<Vec<String>>,
}

struct NoWayOut;

type Sending<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl WasiHttpHooks for NoWayOut {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Sending<()>,
    ) -> Sending<(Response<WasiBody>, Sending<()>)> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.way_out }
    }
}

impl config::Host for Host {
    fn get(&mut self, name: String) -> Result<Option<String>, config::Error> {
        Ok((name == "read_tokens").then(|| TOKEN.to_owned()))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, config::Error> {
        Ok(Vec::new())
    }
}

impl keyvalue::Host for Host {
    fn open(&mut self, identifier: String) -> Result<Resource<OpenBucket>, keyvalue::Error> {
        assert_eq!(identifier, "default");
        Ok(self.table.push(OpenBucket).unwrap())
    }
}

impl keyvalue::HostBucket for Host {
    fn get(&mut self, _: Resource<OpenBucket>, _: String) -> Result<Option<Vec<u8>>, keyvalue::Error> {
        Ok(None)
    }

    fn set(&mut self, _: Resource<OpenBucket>, _: String, _: Vec<u8>) -> Result<(), keyvalue::Error> {
        Ok(())
    }

    fn delete(&mut self, _: Resource<OpenBucket>, _: String) -> Result<(), keyvalue::Error> {
        Ok(())
    }

    fn exists(&mut self, _: Resource<OpenBucket>, _: String) -> Result<bool, keyvalue::Error> {
        Ok(false)
    }

    fn list_keys(
        &mut self,
        _: Resource<OpenBucket>,
        cursor: Option<u64>,
    ) -> Result<keyvalue::KeyResponse, keyvalue::Error> {
        let page = cursor.unwrap_or(0);
        let keys = self.pages[page as usize].clone();
        Ok(keyvalue::KeyResponse { keys, cursor: Some(page + 1).filter(|next| (*next as usize) < self.pages.len()) })
    }

    fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

/// The component's statistics of a store with these pages of keys.
async fn stats(component: &Component, pages: Vec<Vec<String>>) -> Value {
    let mut linker = Linker::new(component.engine());
    p2::add_to_linker_async(&mut linker).unwrap();
    keyvalue::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host).unwrap();
    config::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host).unwrap();
    let host = Host {
        table: ResourceTable::new(),
        wasi: WasiCtx::default(),
        http: WasiHttpCtx::new(),
        way_out: NoWayOut,
        pages,
    };
    let mut store = Store::new(component.engine(), host);
    let proxy = Proxy::instantiate_async(&mut store, component, &linker).await.unwrap();
    let request = Request::get("http://recipient/api/stats").header("Authorization", format!("Bearer {TOKEN}"));
    let request =
        request.body(Empty::<Bytes>::new().map_err(|never| -> Error { match never {} }).boxed_unsync()).unwrap();
    let (sender, response) = oneshot::channel();
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).unwrap();
    let out = store.data_mut().http().new_response_outparam(sender).unwrap();
    let answered = async { response.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes() };
    let handler = proxy.wasi_http_incoming_handler();
    let (ended, body) = tokio::join!(handler.call_handle(&mut store, request, out), answered);
    ended.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn keys_in_pages_are_all_there_and_each_once() {
    let key = |n: u32| format!("event.default.00170000000{n}.session.begin.{n:032x}");
    let keys = |numbers: &[u32]| numbers.iter().map(|n| key(*n)).collect::<Vec<_>>();
    let component = compiled(&support::wasi_component());
    for (pages, expected) in [
        (vec![keys(&[1, 2, 3])], 3),
        (vec![keys(&[3, 1]), keys(&[2])], 3),
        (vec![keys(&[1, 2]), keys(&[2, 3]), keys(&[]), keys(&[3, 4])], 4),
        (vec![keys(&[])], 0),
    ] {
        let answer = stats(&component, pages.clone()).await;
        assert_eq!(answer["keys"], expected, "{pages:?}: {answer}");
    }
}
