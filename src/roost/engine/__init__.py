"""The one loop that runs controllers: informers, workqueue, barrier, retries."""
