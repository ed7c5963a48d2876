"""Every pair of a loop to look at: a static folder that a browser opens without a server."""
