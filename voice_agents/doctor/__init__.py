"""``python app.py --doctor``: what works here, what does not, and which variable mends it."""
