"""What peers send us: each C-STORE durable and recorded before it is answered, each refusal traced."""
