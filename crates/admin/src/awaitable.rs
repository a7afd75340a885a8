//! Calls with options: they happen when awaited.

/// Lets a builder with `async fn run(self) -> Result<T, Error>` be awaited.
macro_rules! awaitable {
    ($builder:ident => $value:ty) => {
        impl std::future::IntoFuture for $builder {
            type Output = Result<$value, crate::error::Error>;
            type IntoFuture =
                std::pin::Pin<Box<dyn std::future::Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.run())
            }
        }
    };
}

pub(crate) use awaitable;
