"""From ranks to what is deployed."""
