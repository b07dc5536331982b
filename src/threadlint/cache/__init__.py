"""What is kept between runs: facts by the content of files, findings by the facts that they follow from."""
