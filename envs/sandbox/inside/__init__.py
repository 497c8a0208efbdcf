"""What runs inside the jail; nothing here may import anything from outside this folder."""
