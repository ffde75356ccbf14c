"""How good masks are: methods, films whose truth is known, figures and targets."""
