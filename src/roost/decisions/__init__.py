"""The language of control: View, Plan, actions and the Controller declaration. Pure."""
