"""Services, routes and DNS answers as tables, and the dataplanes that program them."""
