//! Tasks that live as long as the process: when one ends that should not, all of it ends, with the reason.

use std::future::Future;

use tokio::task::{JoinError, JoinSet};

/// The tasks of a process.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<&'static str>,
}

impl Tasks {
    /// Starts a task that is to run until the process ends.
    pub fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.set.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits until one of the tasks ends, and says which; for ever where there are none.
    pub async fn ended(&mut self) -> String {
        match self.set.join_next().await {
            Some(Ok(name)) => format!("the task `{name}` has ended"),
            Some(Err(error)) => broken(&error),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended by themselves, after they were told to.
    pub async fn wind_up(&mut self) {
        while self.set.join_next().await.is_some() {}
    }

    /// Ends all tasks where they stand.
    pub async fn abort(&mut self) {
        self.set.shutdown().await;
    }
}

fn broken(error: &JoinError) -> String {
    match error.is_panic() {
        true => "a task has broken down, see above".to_owned(),
        false => "a task was cancelled".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_to_end_is_named() {
        let mut tasks = Tasks::default();
        tasks.start("patient", std::future::pending());
        tasks.start("hasty", async {});
        assert_eq!(tasks.ended().await, "the task `hasty` has ended");
        tasks.abort().await;
    }
}
