//! What docs/testing.md shows on its first page, with a server for it: so that what users copy compiles and holds.

mod my_server {
    use std::io;
    use std::time::Duration;

    use switchboard::net::{Lines, Stream};
    use switchboard::server::{Client, Server};
    use switchboard::{sleep, timeout};

    /// Says each line again, in capitals.
    pub(super) async fn talk(mut stream: Stream, _: Client) -> io::Result<()> {
        let (reader, writer) = stream.split();
        let mut lines = Lines::new(1_000);
        while let Some(line) = lines.next_line(reader).await? {
            let answer = [line.bytes.to_ascii_uppercase(), b"\n".to_vec()].concat();
            writer.write_all(&answer).await?;
        }
        Ok(())
    }

    pub(super) async fn serve(address: &str) -> io::Result<()> {
        Server::bind(address).await?.serve(talk).await.map(drop)
    }

    /// Asks for ten seconds, and again whenever something goes wrong.
    pub(super) async fn client(address: &str) -> io::Result<()> {
        for number in 0..10 {
            while !matches!(timeout(Duration::from_secs(60), ask(address, number)).await, Ok(Ok(()))) {
                sleep(Duration::from_millis(100)).await;
            }
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    async fn ask(address: &str, number: usize) -> io::Result<()> {
        let mut stream = Stream::connect(address).await?;
        stream.write_all(format!("question {number}\n").as_bytes()).await?;
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).await?;
        assert_eq!(answer, *format!("QUESTION {number}\n").as_bytes());
        Ok(())
    }
}

mod on_every_mechanism {
    use std::io;

    use switchboard::net::Stream;
    use switchboard::server::Server;
    use switchboard::spawn;

    use super::my_server;

    #[switchboard::test]
    async fn what_is_said_comes_back() -> io::Result<()> {
        let server = Server::bind("127.0.0.1:0").await?;
        let address = server.addresses()[0].to_string();
        let server = spawn(server.serve(my_server::talk));

        let mut stream = Stream::connect(address.as_str()).await?;
        stream.write_all(b"hello\n").await?;
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).await?; // not `recv`, which may bring less
        assert_eq!(&answer, b"HELLO\n");
        drop(server); // cancels it
        Ok(())
    }
}

mod in_a_network {
    use std::time::Duration;

    use switchboard::sim::{Faults, Link, Sim};

    use super::my_server;

    #[test]
    fn clients_survive_a_partition() {
        for seed in 0..100 {
            Sim::new(seed)
                .host("server", || my_server::serve("0.0.0.0:80")) // ends by SIGTERM, which it gets when the clients have ended
                .host("client", || my_server::client("server:80")) // its `Err` or panic is the simulation's
                .link(
                    Link::default()
                        .latency(Duration::from_millis(20))
                        .jitter(Duration::from_millis(10))
                        .loss(0.01),
                )
                .faults("default,signal=0".parse::<Faults>().unwrap())
                .at(Duration::from_secs(2), |sim| sim.partition("server", "client"))
                .at(Duration::from_secs(9), |sim| sim.heal("server", "client"))
                .run()
                .unwrap(); // says the seed
        }
    }
}
