"""PagerDuty and Opsgenie to practise on: their documented limits and answers, and a page to look at.

What a vendor refuses stands here a second time, apart from the pagers' own limits, so that neither can
be wrong unnoticed.
"""
