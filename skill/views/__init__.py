"""What can be seen of a gateway: page, metrics, review; made from facts.py, without effects."""
