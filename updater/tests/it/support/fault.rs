//! A proxy between a terminal and its service that counts every byte and harms what it is told to harm.
//!
//! It works on sockets: what it counts is what a client wrote and was sent, headers and all. A client may name it as its
//! service (requests for `/path`) or as its proxy (requests for `http://host/path`). Each request is passed on over a connection of
//! its own and its answer read to the end, so answers of tests fit in memory; the client's connection stays open between requests,
//! unless the fault ends it.
//!
//! ```text
//! let proxy = FaultProxy::before(&world.url).await;
//! terminal.asks(&proxy.url);
//! proxy.once("/targets/", Fault::CutAt(1000));
//! terminal.agent.update().await.unwrap();
//! assert_eq!(proxy.seen("/targets/").len(), 2);
//! ```

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Longest head of a request or an answer that is read, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// An answer without an end ends here all the same, so that a client that reads it all fails its test and not the machine.
const ENDLESS_MAX: u64 = 256 << 20;

/// What happens to one exchange.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The connection ends before any answer.
    NoAnswer,
    /// The connection ends after so many bytes of the body.
    CutAt(u64),
    /// Nothing more comes after so many bytes of the body, while the connection stays open.
    StallAt(u64),
    /// The body comes by so many bytes at a time, with a pause after each.
    Drip(usize, Duration),
    /// One bit of this byte of the body is not what it was.
    FlipBit(usize),
    /// This is the body instead; the announced length is its own.
    Replace(Vec<u8>),
    /// So many bytes more than the body has, and the announced length says so.
    Longer(usize),
    /// The body never ends; no length is announced.
    Endless,
    /// The answer has so many headers more, of 1 KiB each.
    HeaderFlood(usize),
    /// The service is not asked: this status, these headers, this body.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// The service is not asked: status 200 and these bytes.
    Serve(Vec<u8>),
    /// The service is not asked: this refusal, with this body.
    Refuse(u16, Vec<u8>),
    /// The request is passed on without this header.
    Without(&'static str),
    /// This header of the answer has this value; an empty one takes the header away.
    Header(&'static str, String),
}

/// A request and what was answered, in bytes on the socket.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Status that was sent; 0 when none was.
    pub(crate) status: u16,
    /// Bytes that the client sent: head and body.
    pub(crate) received: u64,
    /// Bytes that the client was sent: head and body.
    pub(crate) sent: u64,
    /// The part of `sent` that is body.
    pub(crate) body_sent: u64,
}

impl Exchange {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }
}

struct Rule {
    part: String,
    fault: Fault,
    /// Exchanges it still applies to.
    times: usize,
}

#[derive(Default)]
struct Shared {
    real: Option<Url>,
    rules: Vec<Rule>,
    exchanges: Vec<Exchange>,
}

/// The running proxy; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct FaultProxy {
    pub(crate) url: Url,
    shared: Arc<Mutex<Shared>>,
}

impl FaultProxy {
    /// A proxy in front of the service at `real`.
    pub(crate) async fn before(real: &Url) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let shared = Arc::new(Mutex::new(Shared { real: Some(real.clone()), ..Shared::default() }));
        let proxy = FaultProxy { url, shared };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A client that goes away, or is cut off, ends its own connection only.
                tokio::spawn(accepting.clone().converse(client));
            }
        });
        proxy
    }

    /// Stands in front of another service from now on, such as one that was restarted.
    pub(crate) fn turn_to(&self, real: &Url) {
        self.lock().real = Some(real.clone());
    }

    /// Harms every exchange from now on whose path contains `part`.
    pub(crate) fn always(&self, part: &str, fault: Fault) {
        self.times(usize::MAX, part, fault);
    }

    /// Harms the next exchange whose path contains `part`.
    pub(crate) fn once(&self, part: &str, fault: Fault) {
        self.times(1, part, fault);
    }

    /// Harms the next `times` exchanges whose path contains `part`. Rules apply in the order they were made, one to an exchange.
    pub(crate) fn times(&self, times: usize, part: &str, fault: Fault) {
        self.lock().rules.push(Rule { part: part.to_owned(), fault, times });
    }

    /// Harms nothing any more.
    pub(crate) fn heal(&self) {
        self.lock().rules.clear();
    }

    /// Exchanges since the last [`FaultProxy::forget`] whose path contains `part`, in order of their ends.
    pub(crate) fn seen(&self, part: &str) -> Vec<Exchange> {
        self.lock().exchanges.iter().filter(|exchange| exchange.path.contains(part)).cloned().collect()
    }

    /// Bytes of bodies that were sent in them.
    pub(crate) fn body_sent(&self, part: &str) -> u64 {
        self.seen(part).iter().map(|exchange| exchange.body_sent).sum()
    }

    pub(crate) fn forget(&self) {
        self.lock().exchanges.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    fn fault_for(&self, path: &str) -> Option<Fault> {
        let mut shared = self.lock();
        let rule = shared.rules.iter_mut().find(|rule| rule.times > 0 && path.contains(&rule.part))?;
        rule.times = rule.times.saturating_sub(usize::from(rule.times < usize::MAX));
        Some(rule.fault.clone())
    }

    async fn converse(self, mut client: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(request) = read_message(&mut client, &mut buffer, false).await {
            let Some((method, path)) = method_and_path(&request.first_line) else { return };
            let fault = self.fault_for(&path);
            let real = self.lock().real.clone().expect("a proxy has a service");
            let mut exchange = Exchange {
                method: method.clone(),
                path: path.clone(),
                headers: request.headers.clone(),
                status: 0,
                received: request.bytes as u64,
                sent: 0,
                body_sent: 0,
            };
            let answer = match &fault {
                Some(Fault::NoAnswer) => None,
                Some(Fault::Answer(status, headers, body)) => Some(Message::made(*status, headers, body.as_bytes())),
                Some(Fault::Refuse(status, body)) => Some(Message::made(*status, &[], body)),
                Some(Fault::Serve(body)) => Some(Message::made(200, &[], body)),
                Some(Fault::Without(name)) => pass(&real, &method, &path, &request, name).await,
                _ => pass(&real, &method, &path, &request, "").await,
            };
            let goes_on = match answer {
                Some(answer) => answer.send(&mut client, fault.as_ref(), &method, &mut exchange, &self).await,
                None => false,
            };
            if exchange.status == 0 {
                self.lock().exchanges.push(exchange);
            }
            if !goes_on {
                return;
            }
        }
    }
}

/// A request or an answer.
struct Message {
    first_line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Length on the socket.
    bytes: usize,
}

impl Message {
    fn made(status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Message {
        let mut headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Vec<_>>();
        headers.push(("content-length".to_owned(), body.len().to_string()));
        Message { first_line: format!("HTTP/1.1 {status} Made up"), headers, body: body.to_vec(), bytes: 0 }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(held, _)| held != name);
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.first_line);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head + "\r\n"
    }

    /// Sends the answer as the fault has it; false when the connection is not to be used any more. The exchange is on the record, and
    /// grows, from the moment its head is sent, so that a test can wait for a part of the body.
    async fn send(
        mut self,
        client: &mut TcpStream,
        fault: Option<&Fault>,
        method: &str,
        exchange: &mut Exchange,
        proxy: &FaultProxy,
    ) -> bool {
        match fault {
            Some(Fault::Longer(more)) => {
                self.body.extend(vec![b'x'; *more]);
                self.set("content-length", &self.body.len().to_string());
            }
            Some(Fault::Replace(body)) => {
                self.body.clone_from(body);
                self.set("content-length", &self.body.len().to_string());
            }
            Some(Fault::FlipBit(at)) => {
                let at = *at % self.body.len().max(1);
                if let Some(byte) = self.body.get_mut(at) {
                    *byte ^= 1;
                }
            }
            Some(Fault::HeaderFlood(more)) => {
                self.headers.extend((0..*more).map(|number| (format!("x-flood-{number}"), "x".repeat(1 << 10))));
            }
            Some(Fault::Header(name, value)) => self.set(name, value),
            Some(Fault::Endless) => self.set("content-length", ""),
            _ => {}
        }
        exchange.status = self.first_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let at = {
            let mut shared = proxy.lock();
            shared.exchanges.push(exchange.clone());
            shared.exchanges.len() - 1
        };
        let count = |body: usize, head: usize| {
            // A test that forgot what was seen does not wait for this one.
            if let Some(exchange) = proxy.lock().exchanges.get_mut(at) {
                exchange.sent += (head + body) as u64;
                exchange.body_sent += body as u64;
            }
        };
        let head = self.head();
        if client.write_all(head.as_bytes()).await.is_err() {
            return false;
        }
        count(0, head.len());
        if method == "HEAD" {
            return true;
        }
        let (piece, pause) = match fault {
            Some(Fault::Drip(piece, pause)) => (*piece, *pause),
            _ => (16 << 10, Duration::ZERO),
        };
        let end = match fault {
            Some(Fault::CutAt(end) | Fault::StallAt(end)) => (*end as usize).min(self.body.len()),
            _ => self.body.len(),
        };
        for piece in self.body[..end].chunks(piece) {
            if client.write_all(piece).await.is_err() {
                return false;
            }
            count(piece.len(), 0);
            tokio::time::sleep(pause).await;
        }
        match fault {
            Some(Fault::CutAt(_)) => false,
            Some(Fault::StallAt(_)) => {
                // Until the client goes away.
                let _ = client.read(&mut [0]).await;
                false
            }
            Some(Fault::Endless) => {
                let piece = vec![b'x'; 64 << 10];
                let mut sent = 0;
                while sent < ENDLESS_MAX && client.write_all(&piece).await.is_ok() {
                    sent += piece.len() as u64;
                    count(piece.len(), 0);
                }
                false
            }
            _ => true,
        }
    }
}

/// Asks the service what the client asked, over a connection that ends with the answer; the headers that say so are kept from both.
async fn pass(real: &Url, method: &str, path: &str, request: &Message, without: &str) -> Option<Message> {
    let host = format!("{}:{}", real.host_str()?, real.port_or_known_default()?);
    let mut service = TcpStream::connect(&host).await.ok()?;
    let mut headers = request.headers.clone();
    headers.retain(|(name, _)| !["host", "connection", "proxy-connection", without].contains(&name.as_str()));
    headers.push(("host".to_owned(), host));
    headers.push(("connection".to_owned(), "close".to_owned()));
    let passed = Message { first_line: format!("{method} {path} HTTP/1.1"), headers, body: Vec::new(), bytes: 0 };
    service.write_all(passed.head().as_bytes()).await.ok()?;
    // A service that refuses a body early closes before it has all of it, and has answered nevertheless.
    let _ = service.write_all(&request.body).await;
    let mut answer = read_message(&mut service, &mut Vec::new(), true).await?;
    answer.set("connection", "");
    Some(answer)
}

/// Reads a head and its body: of the announced length, or to the end of the connection (`to_end`), or none. `buffer` keeps what came
/// beyond. `None` at the end of the connection.
async fn read_message(from: &mut TcpStream, buffer: &mut Vec<u8>, to_end: bool) -> Option<Message> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > HEAD_MAX || from.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let first_line = lines.next()?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect::<Vec<_>>();
    let announced = value(&headers, "content-length").and_then(|length| length.parse::<usize>().ok());
    let length = announced.unwrap_or(if to_end { usize::MAX } else { 0 });
    let mut body = buffer.split_off(head_end);
    buffer.clear();
    while body.len() < length && from.read_buf(&mut body).await.unwrap_or(0) > 0 {}
    if body.len() > length {
        *buffer = body.split_off(length);
    }
    let bytes = head_end + body.len();
    Some(Message { first_line, headers, body, bytes })
}

fn method_and_path(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = match target.parse::<Url>() {
        Ok(url) => url[url::Position::BeforePath..].to_owned(),
        Err(_) => target.to_owned(),
    };
    Some((method.to_owned(), path))
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
}
