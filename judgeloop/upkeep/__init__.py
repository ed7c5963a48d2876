"""Looking after what loops leave behind: how far each one is, and what nobody needs any more.

Everything is read from the store alone, and the registered versions from MLflow, so that it works
on a loop that runs elsewhere, was killed, or was made on another machine.
"""
