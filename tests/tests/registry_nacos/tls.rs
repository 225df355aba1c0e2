//! A server behind TLS: both of its ports, those who vouch for it, and those who do not.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mainstay_registry::{Discover, LeaseState, Registry, connect};
use rcgen::CertifiedKey;
use testbed::Scratch;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, pem::PemObject},
    },
};

use crate::{
    bed::{KEY, hub, lookup, namespace, shared, weighs},
    support::{DEADLINE, eventually, follow_until, stock},
};

/// A wire that is encrypted up to here, and in the open from here on. It ends with the runtime.
struct Wire {
    address: SocketAddr,
    /// How many have got through.
    passed: Arc<AtomicU32>,
}

impl Wire {
    async fn to(server: SocketAddr, acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, passed) = (listener.local_addr().unwrap(), Arc::<AtomicU32>::default());
        let counter = passed.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (acceptor, counter) = (acceptor.clone(), counter.clone());
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    counter.fetch_add(1, Ordering::Relaxed);
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, passed }
    }

    fn passed(&self) -> u32 {
        self.passed.load(Ordering::Relaxed)
    }
}

fn certificate() -> CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

fn acceptor(shown: &CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_slice(shown.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![shown.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ports_are_spoken_to_over_tls_where_the_url_says_who_vouches_for_them() {
    let (nacos, namespace, dir) = (shared(), namespace(), Scratch::new("tls").unwrap());
    let (shown, another) = (certificate(), certificate());
    let (http, grpc) =
        (Wire::to(nacos.address(), acceptor(&shown)).await, Wire::to(nacos.grpc_address(), acceptor(&shown)).await);
    let url = |more: &str| format!("nacos://{}/{namespace}?grpc-port={}{more}", http.address, grpc.address.port());
    let ca = |pem: String| format!("&ca=file:{}", dir.write("ca.pem", pem).unwrap().display());
    let encrypted = connect(&url(&ca(shown.cert.pem()))).unwrap();
    let mut lease = encrypted.register(stock("one", &[KEY]));
    lease.registered(DEADLINE).await.unwrap();
    assert_eq!(grpc.passed(), 1, "it stands over one");
    eventually("it is read back over the other", async || http.passed() > 0).await;
    let (mut changes, mut known) = (encrypted.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
    let mut others = vec![];
    follow_until(&mut hub(nacos.address(), &namespace).subscribe(lookup()), &mut others, "in the open", |all| {
        all.len() == 1
    })
    .await;
    lease.set_weight(7);
    follow_until(&mut changes, &mut known, "the new weight", weighs(7)).await;

    let refused = [
        (connect(&url(&ca(another.cert.pem()))).unwrap(), "invalid peer certificate"),
        (connect(&url("")).unwrap(), ""),
    ];
    for (hub, words) in refused {
        let since = Instant::now();
        let two = hub.register(stock("two", &[KEY]));
        let _changes = hub.subscribe(lookup());
        let says = |text: Option<String>| text.is_some_and(|why| why.contains(words));
        eventually("why is said to the provider", async || says(two.trouble())).await;
        eventually("and to the consumer", async || says(hub.survey("a.B").unwell)).await;
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        assert_eq!(two.state(), LeaseState::Pending);
    }
}
