"""Rules on asyncio and other event loops."""
