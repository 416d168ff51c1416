"""Object stores for Rota: S3, Google Cloud Storage, Azure Blob Storage, and local folders."""
