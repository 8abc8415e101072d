//! A TCP proxy in front of sshd that cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::thread;

/// Forwards to a port of this host until the bytes it may pass are used up.
#[derive(Debug)]
pub struct Proxy {
    /// Its own port.
    pub port: u16,
    left: Arc<AtomicI64>,
    cuts: Arc<AtomicU32>,
}

impl Proxy {
    /// Starts one that passes everything.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let (left, cuts) = (Arc::new(AtomicI64::new(i64::MAX)), Arc::new(AtomicU32::new(0)));
        let proxy = Self { port: own, left: Arc::clone(&left), cuts: Arc::clone(&cuts) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (left, cuts) = (Arc::clone(&left), Arc::clone(&cuts));
                    thread::spawn(move || pass(from, to, &left, &cuts));
                }
            }
        });
        proxy
    }

    /// Passes so many bytes more, both ways together, and then cuts the connection.
    pub fn cut_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Connections that were cut.
    pub fn cuts(&self) -> u32 {
        self.cuts.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64, cuts: &AtomicU32) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let count_left = i64::try_from(count).unwrap();
        if left.fetch_sub(count_left, Ordering::SeqCst) < count_left {
            cuts.fetch_add(1, Ordering::SeqCst);
            // Both ends see a connection that is gone, whoever was about to speak.
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
