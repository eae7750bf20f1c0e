//! A DNS server on loopback that answers what a test tells it to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dmarc_ingest::dns::{DnsOptions, Resolver};
use hickory_proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::runtime::Runtime;

/// A server with its zone. Names with a label `silent` get no answer, with `broken` SERVFAIL, others that are not
/// there NXDOMAIN.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Zone,
    _runtime: Runtime,
}

type Records = HashMap<(String, RecordType), Vec<RData>>;

#[derive(Clone, Default)]
struct Zone {
    records: Arc<Mutex<Records>>,
    asked: Arc<AtomicUsize>,
    is_silent: Arc<AtomicUsize>,
}

impl Dns {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let zone = Zone::default();
        let served = zone.clone();
        let address = runtime.block_on(async move {
            // The same port for both: try until one is free.
            let (udp, tcp) = loop {
                let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
                if let Ok(tcp) = tokio::net::TcpListener::bind(udp.local_addr().unwrap()).await {
                    break (udp, tcp);
                }
            };
            let address = udp.local_addr().unwrap();
            let mut both = Server::new(served);
            both.register_socket(udp);
            both.register_listener(tcp, Duration::from_secs(5), 65_535);
            tokio::spawn(async move { both.block_until_done().await });
            address
        });
        Self { address, zone, _runtime: runtime }
    }

    /// A resolver that asks this server only.
    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::new(&options([self.address])).unwrap()
    }

    /// How many questions have come.
    pub(crate) fn asked(&self) -> usize {
        self.zone.asked.load(Ordering::SeqCst)
    }

    /// Whether nothing at all is answered from now on.
    pub(crate) fn fall_silent(&self, is_silent: bool) {
        self.zone.is_silent.store(usize::from(is_silent), Ordering::SeqCst);
    }

    pub(crate) fn txt(&self, name: &str, text: &str) {
        let strings =
            text.as_bytes().chunks(255).map(|part| String::from_utf8(part.to_vec()).unwrap()).collect();
        self.add(name, RData::TXT(TXT::new(strings)));
    }

    pub(crate) fn ptr(&self, address: &str, name: &str) {
        self.ptr_name(address, name.parse().unwrap());
    }

    pub(crate) fn ptr_name(&self, address: &str, name: Name) {
        let address: std::net::IpAddr = address.parse().unwrap();
        self.add(&Name::from(address).to_string(), RData::PTR(PTR(name)));
    }

    pub(crate) fn address(&self, name: &str, address: &str) {
        let data = match address.parse().unwrap() {
            std::net::IpAddr::V4(address) => RData::A(A(address)),
            std::net::IpAddr::V6(address) => RData::AAAA(AAAA(address)),
        };
        self.add(name, data);
    }

    pub(crate) fn remove(&self, name: &str, kind: RecordType) {
        self.zone.records.lock().unwrap().remove(&(normal(name), kind));
    }

    fn add(&self, name: &str, data: RData) {
        let key = (normal(name), data.record_type());
        self.zone.records.lock().unwrap().entry(key).or_default().push(data);
    }
}

/// Options with times that suit a test.
pub(crate) fn options(servers: impl IntoIterator<Item = SocketAddr>) -> DnsOptions {
    let mut options = DnsOptions::default();
    options.servers = servers.into_iter().collect();
    options.timeout = Duration::from_secs(1);
    options.patience = 3;
    options.pause = Duration::from_secs(2);
    options
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[async_trait::async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let query = request.queries.queries()[0].original().clone();
        let name = normal(&query.name().to_string());
        self.asked.fetch_add(1, Ordering::SeqCst);
        let metadata = Metadata::response_from_request(&request.metadata);
        if self.is_silent.load(Ordering::SeqCst) == 1 || name.split('.').any(|label| label == "silent") {
            return ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() });
        }
        let code = if name.split('.').any(|label| label == "broken") {
            Some(ResponseCode::ServFail)
        } else {
            let records = self.records.lock().unwrap();
            let is_there = records.keys().any(|(there, _)| *there == name);
            (!is_there).then_some(ResponseCode::NXDomain)
        };
        let builder = MessageResponseBuilder::from_message_request(request);
        if let Some(code) = code {
            return response.send_response(builder.error_msg(&request.metadata, code)).await.unwrap();
        }
        let data = self.records.lock().unwrap().get(&(name, query.query_type())).cloned().unwrap_or_default();
        let record = |data| Record::from_rdata(query.name().clone(), 60, data);
        let answers: Vec<Record> = data.into_iter().map(record).collect();
        let message = builder.build(metadata, &answers, &[], &[], &[]);
        response.send_response(message).await.unwrap()
    }
}
