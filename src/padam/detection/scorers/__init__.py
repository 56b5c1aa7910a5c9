"""Every system that scores titles, behind the interface of `base.Scorer`."""
