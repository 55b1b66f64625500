"""What property does a particle hide? Its mobility or mass, from its track in a known potential.

``fit`` measures users' tracks: ``sampling`` draws from the posterior, whose likelihood is that of
the filters of ``_filter``; ``image`` reads the potential. The rest is the published task of a
hidden mass: ``trap`` simulates it, ``methods`` and ``features`` solve it by physics, ``networks``
and ``train`` by learning, and ``benchmark`` compares them.
"""
