//! The config centres of this crate as subjects of their suite, and what only the embedded one has to stand.

use std::sync::Arc;

use mainstay_registry::config::{ConfigCenter, ConfigError, ConfigKey, ConfigSight, Expected, MAX_CONFIG};

use crate::centers::{Center, conform, key, next, until};

mod memory {
    use mainstay_registry::MemoryConfig;

    use super::*;

    #[derive(Default)]
    struct Memory(MemoryConfig);

    impl Center for Memory {
        const CAN_BE_AWAY: bool = false;

        fn client(&self) -> Arc<dyn ConfigCenter> {
            Arc::new(self.0.clone())
        }
    }

    #[tokio::test]
    async fn memory_conforms() {
        conform(Memory::default()).await;
    }
}

#[cfg(all(feature = "file", unix))]
mod file {
    use std::{fs, os::unix::fs::PermissionsExt};

    use mainstay_registry::connect;

    use super::*;
    use crate::scratch::Scratch;

    struct File(Scratch);

    impl Center for File {
        const CAN_BE_AWAY: bool = true;

        fn client(&self) -> Arc<dyn ConfigCenter> {
            connect(&format!("file://{}", self.0.path().join("registry").display())).unwrap().config_center().unwrap()
        }

        /// The directory is taken away as a whole.
        async fn away(&self) {
            let (client, key) = (self.client(), key("away"));
            client.get(&key).await.unwrap();
            let registry = self.0.path().join("registry");
            fs::rename(registry.join("config"), registry.with_extension("away")).unwrap();
            let sight = next(&mut client.watch(&key)).await;
            assert!(matches!(&sight, ConfigSight::Unknown { why } if why.contains("is gone")), "{sight:?}");
        }

        async fn back(&self, changes: &[(ConfigKey, Option<&str>)]) {
            let away = self.0.path().join("registry.away");
            for (key, content) in changes {
                let path = away.join(key.group()).join(key.name());
                match content {
                    Some(content) => fs::write(path, content).unwrap(),
                    None => fs::remove_file(path).unwrap(),
                }
            }
            fs::rename(away, self.0.path().join("registry/config")).unwrap();
        }
    }

    #[tokio::test]
    async fn file_conforms() {
        conform(File(Scratch::new())).await;
    }

    #[tokio::test]
    async fn what_is_done_by_hand_is_seen_and_what_is_no_text_is_not() {
        let subject = File(Scratch::new());
        let (client, key) = (subject.client(), key("by-hand"));
        let mut watch = client.watch(&key);
        assert_eq!(next(&mut watch).await, ConfigSight::Absent);
        let path = subject.0.path().join("registry/config/dubbo/by-hand");
        fs::write(&path, "by hand\n").unwrap();
        until(&mut watch, Some("by hand\n")).await;
        let unreadable = [vec![], vec![0xff, 0xfe], vec![b'x'; MAX_CONFIG + 1]];
        for bytes in unreadable {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(client.get(&key).await, Err(ConfigError::Unreadable { .. })));
        }
        fs::write(path.with_file_name(".new"), "again\n").unwrap();
        fs::rename(path.with_file_name(".new"), &path).unwrap();
        assert!(matches!(next(&mut watch).await, ConfigSight::Present(config) if config.content == "again\n"));
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        client.publish(&key, "published", Expected::Any).await.unwrap();
        assert_eq!((mode(&path), mode(&path.with_file_name("."))), (0o600, 0o700), "nobody else reads it");
    }

    #[tokio::test]
    async fn a_writer_that_was_killed_leaves_nothing_that_counts() {
        let subject = File(Scratch::new());
        let (client, key) = (subject.client(), key("x"));
        client.publish(&key, "1", Expected::Absent).await.unwrap();
        let folder = subject.0.path().join("registry/config/dubbo");
        fs::write(folder.join(".0123456789abcdef.0123456789abcdef.tmp"), "half a").unwrap();
        client.publish(&key, "2", Expected::Any).await.unwrap();
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["x"]);
    }
}
